#!/usr/bin/env bash
# success-rate.sh: per cent of the reloads that went well.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/policy-service.sh"

call GET /reload/stats | jq '.success_rate'
