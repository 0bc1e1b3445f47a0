# Sourced by the scripts beside it: asks one policy service.
#
#   POLICY_SERVICE            its address; http://localhost:8083 without it
#   POLICY_SERVICE_TOKEN_FILE file with the bearer token that changes need

: "${POLICY_SERVICE:=http://localhost:8083}"

for program in curl jq; do
    command -v "$program" > /dev/null || {
        echo "$0 needs $program" >&2
        exit 3
    }
done

# call METHOD PATH [BODY]: prints the answer, also one that says no.
# The token goes through standard input, because arguments are seen by every user.
call() {
    local authorization=''
    if [[ -n "${POLICY_SERVICE_TOKEN_FILE:-}" ]]; then
        authorization="header = \"Authorization: Bearer $(< "$POLICY_SERVICE_TOKEN_FILE")\""
    fi
    curl --silent --show-error --max-time 60 --request "$1" "$POLICY_SERVICE$2" \
        --header 'Content-Type: application/json' ${3:+--data "$3"} --config - <<< "$authorization"
}

# path_body PATH: the body that names a bundle.
path_body() {
    jq --null-input --compact-output --arg path "$1" '{bundle_path: $path}'
}
