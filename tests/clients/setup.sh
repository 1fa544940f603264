#!/usr/bin/env bash
# Makes .tools/venv with the clients of tests/clients/requirements.txt.
# Does nothing when the requirements are those that the environment was made from.
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=.tools/venv
requirements=tests/clients/requirements.txt
stamp=$environment/.requirements.sha256
wanted=$(sha256sum <"$requirements")

if [[ -x $environment/bin/python && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
  exit 0
fi

mkdir -p .tools
rm -f "$stamp"
[[ -x $environment/bin/python ]] || python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
printf '%s\n' "$wanted" >"$stamp"
