# The first and the last line around a line for each webhook, as `webhooks import` reads them.
# Run it with -cn.
{format: "rag-assistant/webhooks", version: 1},
([inputs] | .[], {end: true, webhooks: length})
