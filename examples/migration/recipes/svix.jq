# What Svix answers for an endpoint, its secret and its headers, as a webhook. Channels and
# the values of sensitive headers do not come along; who has some is named on stderr.
. as $e | $secret[0] as $secret | $headers[0] as $headers
| (if (.channels // []) != [] then "\(.id) has channels, which are not moved\n" | stderr else empty end),
  (if ($headers.sensitive // []) != [] then "\(.id) has headers whose values Svix does not show: \($headers.sensitive | join(", "))\n" | stderr else empty end),
  {
    merchantId: $app, webhookId: .id, url, secret: ("v0." + $secret.key),
    events: (if (.filterTypes // []) == [] then ["*"] else .filterTypes end),
    status: (if .disabled then "disabled" else "active" end),
    description, metadata, rateLimit: (.throttleRate // 0), createdAt, updatedAt
  }
| if type == "string" then empty else . end
| if .status == "disabled" then .disabledReason = "requested" | .disabledAt = $e.updatedAt else . end
| if ($headers.headers // {}) != {} then
    ($headers.headers | to_entries | sort_by(.key)) as $h
    | .headers = ($h | map(.key) | join(",")) + ":v0." + ($h | map(.value) | join("\n"))
  else . end
