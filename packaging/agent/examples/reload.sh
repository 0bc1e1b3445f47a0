#!/usr/bin/env bash
# reload.sh [BUNDLE]: reload the default bundle, or this one; 0 when it is in force.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/policy-service.sh"

answer=$(call POST /reload "$([[ $# -gt 0 ]] && path_body "$1" || echo '{}')")
jq . <<< "$answer"
[[ $(jq -r '.success' <<< "$answer") == true ]]
