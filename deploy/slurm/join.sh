#!/bin/bash
# The last job of submit.sh: puts the parts together. It refuses parts that are missing.
#SBATCH --job-name=scatd-join
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=04:00:00
set -euo pipefail
parts=$1 output=$2
scatd join "$parts"/part*."${output##*.}" --quiet --output "$output"
