#!/usr/bin/env bash
# Gate a repository of calibrations: check its profiles, and report what moved and whether builds still fit.
#
# PROFILES  folder of the profiles, default: the whole repository
# BASE      commit to compare with, default: no comparison
# MODEL     built-in model or ONNX file that the profiles must fit, default: none
# COMMENT   file for the text of the comment, default: comment.md
#
# Exits 1 if a profile is unusable or a build of a fleet is stale. Moved cameras are reported, not rejected.
set -uo pipefail
profiles=${PROFILES:-.} comment=${COMMENT:-comment.md} failed=0 model=()
if [ -n "${MODEL:-}" ]; then model=(--model "$MODEL"); fi

section() {  # title, exit code and text of a command
  printf '### %s: %s\n\n```text\n%s\n```\n\n' "$1" "$2" "$3" >> "$comment"
}

: > "$comment"
mapfile -t files < <(git grep -lE '^schema: specialize/profile@' -- "$profiles" | grep -E '\.ya?ml$')
if [ ${#files[@]} -eq 0 ]; then
  echo "no file below $profiles has the line 'schema: specialize/profile@1'" | tee "$comment"
  exit 1
fi

if text=$(specialize profile check "${model[@]}" "${files[@]}" 2>&1); then
  section "Profiles" "can be used" "$text"
else
  section "Profiles" "not all can be used" "$text"
  failed=1
fi

before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
if [ -n "${BASE:-}" ]; then
  for file in "${files[@]}"; do
    git show "$BASE:./$file" > "$before/profile.yaml" 2> /dev/null || continue # a new vehicle
    if cmp -s "$before/profile.yaml" "$file"; then continue; fi
    text=$(specialize diff "${model[@]}" "$before/profile.yaml" "$file" 2>&1)
    case $? in
      0) section "$file" "written differently, same content" "$text" ;;
      3) section "$file" "moved" "$text" ;;
      *) section "$file" "cannot be compared" "$text" ;;
    esac
  done
fi

while read -r lock; do
  if text=$(specialize fleet status "$(dirname "$lock")" 2>&1); then
    section "$lock" "no build is stale" "$text"
  else
    section "$lock" "plan and build again" "$text"
    failed=1
  fi
done < <(git ls-files -- "$profiles" | grep -E '(^|/)fleet\.lock$')

cat "$comment"
exit $failed
