# Keeps the merchants of whom no webhook would fail after the move, by the last line of each
# in the report. Disabled webhooks have none, and bar nobody. All webhooks of the others are
# named on stderr. Run it with -cn and --slurpfile report report.jsonl, and frame.jq after it.
def place: [.merchantId, .webhookId] | tostring;
INDEX($report[]; place) as $last
| def bar: select(.status != "disabled") | $last[place].verdict // "not tested" | select(. == "only_old" or . == "not tested");
  [inputs | select(.webhookId)] | group_by(.merchantId)[]
| [.[] | bar] as $bars
| .[]
| if $bars == [] then . else "\(.webhookId) of \(.merchantId) stays: \([bar, "goes with its merchant"][0])\n" | stderr | empty end
