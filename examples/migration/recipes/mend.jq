# Gives each webhook the payloadEncoding that a rehearsal has found for it. Run it with -cn
# and --slurpfile report report.jsonl.
INDEX($report[] | select(.encoding); .webhookId) as $found
| inputs
| if .webhookId and $found[.webhookId] then .payloadEncoding = $found[.webhookId].encoding else . end
