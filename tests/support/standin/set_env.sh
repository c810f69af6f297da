# SIMULATED: source this to have the stand-in's tools in a shell, as the toolkit's own set_env.sh does
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH="$here:$here/../../../.venv/bin:$PATH"
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
export ASCEND_TOOLKIT_HOME="$here/toolkit"
unset here
