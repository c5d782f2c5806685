# What Outpost answers for a destination, as a webhook. Destinations that are none are left
# out, and filters do not come along; both are named on stderr.
. as $d
| if .type != "webhook" then "\(.id) is no webhook but \(.type)\n" | stderr | empty else . end
| (if (.filter // {}) != {} then "\(.id) has a filter, which is not moved\n" | stderr else empty end),
  {
    merchantId: $tenant, webhookId: .id, url: .config.url, secret: ("v0." + .credentials.secret),
    events: ([.topics] | flatten | if index("*") then ["*"] else . end),
    status: (if .disabled_at then "disabled" else "active" end),
    metadata: (.metadata // {}), createdAt: .created_at, updatedAt: .updated_at
  }
| if type == "string" then empty else . end
| if .status == "disabled" then .disabledReason = "requested" | .disabledAt = $d.disabled_at else . end
| if $d.credentials.previous_secret then .previousSecret = "v0." + $d.credentials.previous_secret | .previousUntil = $d.credentials.previous_secret_invalid_at else . end
| (($d.config.custom_headers // "{}") | fromjson | to_entries | sort_by(.key)) as $h
| if $h != [] then .headers = ($h | map(.key) | join(",")) + ":v0." + ($h | map(.value) | join("\n")) else . end
