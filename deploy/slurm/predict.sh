#!/bin/bash
# One job of the array of submit.sh: scores its rows of a cohort as a part.
#SBATCH --job-name=scatd-predict
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=04:00:00
set -euo pipefail
rows=$1 last=$2 input=$3 parts=$4 kind=$5
shift 5
task=$SLURM_ARRAY_TASK_ID
start=$((task * rows))
stop=$((start + rows))
if [ "$task" -eq "$last" ]; then stop=; fi # up to the end of the cohort
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
scatd predict "$input" --rows "$start:$stop" --quiet \
    --output "$parts/$(printf 'part%06d' "$task").$kind" "$@"
