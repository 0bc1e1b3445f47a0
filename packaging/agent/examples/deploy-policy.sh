#!/usr/bin/env bash
# deploy-policy.sh BUNDLE: verify, reload, and show what is in force; stops at the first no.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/policy-service.sh"

if [[ $# -ne 1 ]]; then
    echo "usage: deploy-policy.sh BUNDLE" >&2
    exit 2
fi
bundle=$(path_body "$1")

stop() {
    echo "$1; nothing was changed" >&2
    jq . <<< "$2" >&2
    exit 1
}

verdict=$(call POST /bundle/verify "$bundle")
[[ $(jq -r '.valid' <<< "$verdict") == true ]] || stop "The bundle does not verify" "$verdict"
echo "Verified: $1"

reload=$(call POST /reload "$bundle")
[[ $(jq -r '.success' <<< "$reload") == true ]] || stop "The reload was refused" "$reload"
jq -r '"In force: version \(.version), \(.policies_loaded) policies, \(.duration_ms) ms"' <<< "$reload"
