#!/bin/bash
# Scores a cohort by an array of Slurm jobs, and joins the parts: docs/scale.md
#
#   bash submit.sh CELLS ROWS INPUT OUTPUT --drug DRUG [options of scatd predict]
#
# CELLS is the number of cells of INPUT. Each job scores ROWS of them, a multiple of 512.
set -euo pipefail
if [ $# -lt 6 ]; then
    sed -n 's/^#  *\(bash submit.sh .*\)/Usage: \1/p' "$0" >&2
    exit 2
fi
cells=$1 rows=$2 input=$3 output=$4
shift 4
if ! [[ $cells =~ ^[1-9][0-9]*$ && $rows =~ ^[1-9][0-9]*$ ]] || ((rows % 512)); then
    echo "CELLS is $cells and ROWS is $rows; expected numbers, and ROWS a multiple of 512" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
last=$(((cells - 1) / rows))
parts=$output.parts
mkdir -p "$parts"
array=$(sbatch --parsable --array="0-$last" \
    "$here/predict.sh" "$rows" "$last" "$input" "$parts" "${output##*.}" "$@")
sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes \
    "$here/join.sh" "$parts" "$output"
