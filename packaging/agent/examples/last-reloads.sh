#!/usr/bin/env bash
# last-reloads.sh [COUNT]: the newest reloads, three without a count.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/policy-service.sh"

call GET /reload/history | jq --argjson count "${1:-3}" '.history[:$count]'
