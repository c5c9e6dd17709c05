#!/bin/sh
# `genpage serve` in a container, with DEFAULT_BUNDLE and DEFAULT_DATA where they are mounted and
# nothing else is asked for; what is asked for by a relative path lies below GENPAGE_FROM. Without a bundle it starts all the same and waits for one to be published.
set -eu
below() {
    case "$1" in
        /*) echo "$1" ;;
        *) echo "${GENPAGE_FROM:+$GENPAGE_FROM/}$1" ;;
    esac
}
if [ -z "${GENPAGE_BUNDLE:-}" ]; then
    unset GENPAGE_BUNDLE
    if [ -f "${DEFAULT_BUNDLE:-/bundle}/manifest.json" ]; then
        export GENPAGE_BUNDLE="${DEFAULT_BUNDLE:-/bundle}"
    fi
else
    GENPAGE_BUNDLE=$(below "$GENPAGE_BUNDLE")
fi
if [ -z "${GENPAGE_DATA:-}" ]; then
    unset GENPAGE_DATA
    if [ -f "${DEFAULT_DATA:-/data}/profiles.parquet" ]; then
        export GENPAGE_DATA="${DEFAULT_DATA:-/data}"
    fi
else
    GENPAGE_DATA=$(below "$GENPAGE_DATA")
fi
unset GENPAGE_FROM
exec genpage serve "$@"
