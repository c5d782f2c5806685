# What Convoy answers for an endpoint, as a webhook. A secret that ends is the one before.
# Filters by content and OAuth do not come along; who has them is named on stderr.
. as $e
| [$subscriptions[] | select(.endpoint_metadata.uid == $e.uid)] as $own
| ([.secrets[] | select(.deleted_at == null)] | sort_by(.created_at)) as $secrets
| ([$secrets[] | select(.expires_at != null)] | last) as $before
| (if any($own[]; (.filter_config.filter.body // {}) != {} or (.filter_config.filter.headers // {}) != {}) then "\(.uid) has a filter, which is not moved\n" | stderr else empty end),
  (if (.authentication.type // "api_key") != "api_key" then "\(.uid) has authentication by \(.authentication.type), which is not moved\n" | stderr else empty end),
  {
    merchantId: (if (.owner_id // "") == "" then $project else .owner_id end), webhookId: .uid, url,
    secret: ("v0." + ([$secrets[] | select(.expires_at == null)] | last | .value)),
    events: ([$own[].filter_config.event_types[]?] | unique | if index("*") then ["*"] else . end),
    status: (if .status == "active" then "active" else "disabled" end),
    description: ([.name, .description] | map(select((. // "") != "")) | join(": ")),
    rateLimit: (if (.rate_limit // 0) > 0 then ([.rate_limit / ([.rate_limit_duration // 1, 1] | max) | ceil, 1] | max) else 0 end),
    createdAt: .created_at, updatedAt: .updated_at
  }
| if type == "string" then empty else . end
| if .status == "disabled" then .disabledReason = (if $e.status == "paused" then "requested" else "consecutive_failures" end) | .disabledAt = $e.updated_at else . end
| if $before then .previousSecret = "v0." + $before.value | .previousUntil = $before.expires_at else . end
| if $e.authentication.api_key then .headers = $e.authentication.api_key.header_name + ":v0." + $e.authentication.api_key.header_value else . end
