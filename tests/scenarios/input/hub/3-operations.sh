# The operational scenarios of the field, each call as its runbook writes it.
set -eu
call() { curl -sS --fail-with-body "$HUB/v1/tools/execute" -H "Authorization: Bearer $TOKEN" -d "$1"; echo; }
ref() { sed -n 's/.*"alert_ref":"\([^"]*\)".*/\1/p' | head -n 1; }
ingest='{"tool":"alert_ingest_tool","action":"ingest","source":"monitor@node1","service":"gateway","env":"prod","kind":"slo_breach","severity":"P0","title":"p95 over its objective"}'
alert=$(call "$ingest" | ref)
echo "storm: $(call "$ingest" | sed -n 's/.*"deduped":\([a-z]*\).*"occurrences":\([0-9]*\).*/deduped \1, occurrences \2/p')"
echo "view recent alerts"
call '{"tool":"alert_ingest_tool","action":"list","window_minutes":240,"env":"prod"}' | grep -o '"count":1'
call '{"tool":"alert_ingest_tool","action":"list","window_minutes":240,"status_in":["new","failed"]}' | grep -o '"count":[0-9]*'
echo "claim alerts for processing"
call '{"tool":"alert_ingest_tool","action":"claim","window_minutes":240,"limit":25,"owner":"sofiia-supervisor","lock_ttl_seconds":600}' | grep -o '"claimed":[0-9]*'
echo "mark alert as failed"
call '{"tool":"alert_ingest_tool","action":"fail","alert_ref":"'"$alert"'","error":"gateway timeout","retry_after_seconds":300}' | grep -o '"status":"failed"'
echo "alert to incident"
incident=$(call '{"tool":"oncall_tool","action":"alert_to_incident","alert_ref":"'"$alert"'","incident_severity_cap":"P1","dedupe_window_minutes":60}' | sed -n 's/.*"incident_ref":"\([^"]*\)".*/\1/p')
curl -sS -H "Authorization: Bearer $TOKEN" "$HUB/v1/incidents/open?service=gateway" | grep -o '"severity":"P1"'
echo "operational dashboard"
curl -sS -H "Authorization: Bearer $TOKEN" "$HUB/v1/alerts/dashboard?window_minutes=240" | grep -o '"failed":1' | head -n 1
echo "false positive"
call '{"tool":"alert_ingest_tool","action":"ack","alert_ref":"'"$alert"'","note":"false positive"}' | grep -o '"status":"acked"'
call '{"tool":"oncall_tool","action":"incident_close","incident_ref":"'"$incident"'"}' | grep -o '"state":"closed"'
echo "monitor health check"
call '{"tool":"alert_ingest_tool","action":"list","source":"monitor@node1","window_minutes":60}' | grep -o '"count":1'
