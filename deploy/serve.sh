#!/bin/sh
# `genpage serve` in a container, with DEFAULT_BUNDLE and DEFAULT_DATA where they are mounted and
# nothing else is asked for. Without a bundle it starts all the same and waits for one to be published.
set -eu
if [ -z "${GENPAGE_BUNDLE:-}" ]; then
    unset GENPAGE_BUNDLE
    if [ -f "${DEFAULT_BUNDLE:-/bundle}/manifest.json" ]; then
        export GENPAGE_BUNDLE="${DEFAULT_BUNDLE:-/bundle}"
    fi
fi
if [ -z "${GENPAGE_DATA:-}" ]; then
    unset GENPAGE_DATA
    if [ -f "${DEFAULT_DATA:-/data}/profiles.parquet" ]; then
        export GENPAGE_DATA="${DEFAULT_DATA:-/data}"
    fi
fi
exec genpage serve "$@"
