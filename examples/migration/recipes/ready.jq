# Keeps the webhooks that would not fail after the move, by the last line of each in the
# report. Run it with -cn and --slurpfile report report.jsonl, and frame.jq after it.
INDEX($report[]; .webhookId) as $last
| inputs
| select(.webhookId and $last[.webhookId] and $last[.webhookId].verdict != "only_old")
