# Confirm alert still visible after restart
curl "$HUB/v1/tools/execute" \
-H "Authorization: Bearer $TOKEN" \
-d '{"tool":"alert_ingest_tool","action":"list","service":"test"}'
