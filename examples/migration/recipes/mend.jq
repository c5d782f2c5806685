# Gives each webhook the payloadEncoding that a rehearsal has found for it. Run it with -cn
# and --slurpfile report report.jsonl.
def place: [.merchantId, .webhookId] | tostring;
INDEX($report[] | select(.encoding); place) as $found
| inputs
| if .webhookId and $found[place] then .payloadEncoding = $found[place].encoding else . end
