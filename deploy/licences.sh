#!/usr/bin/env bash
# Checks the licence of every crate built on this platform against deny.toml, with nothing but cargo, grep
# and awk: what is left of `cargo deny check licenses` where cargo-deny is not installed. It trusts what
# crates declare, and reads `/` as OR, as crates.io once did.
set -euo pipefail
cd "$(dirname "$0")/.."

platform=$(rustc -vV | sed -n 's/^host: //p')
metadata() { cargo metadata --format-version 1 --locked --filter-platform "$platform" "$@"; }
tree=$(metadata --offline 2>/dev/null) || tree=$(metadata)

grep -o '"name":"[^"]*","version":"[^"]*","id":"[^"]*","license":\("[^"]*"\|null\)' <<<"$tree" |
  sed -E 's/^"name":"([^"]*)","version":"([^"]*)","id":"[^"]*","license":"?([^"]*)"?$/\1\t\2\t\3/' |
  awk -F '\t' '
    # First file: the lists of deny.toml.
    NR == FNR && /^allow = \[/             { listing = 1; next }
    NR == FNR && listing && /^\]/          { listing = 0; next }
    NR == FNR && listing                   { split($0, q, "\""); allowed[q[2]] = 1; next }
    NR == FNR && /^ *[{] crate = ".*allow = \["/  { split($0, q, "\""); exception[q[2] SUBSEP q[4]] = 1; next }
    NR == FNR                              { next }

    # Then the crates: every part of an AND needs one part of its OR that is allowed.
    {
      crates++
      expression = $3
      gsub(/ *\/ */, " OR ", expression)
      parts = split(expression, part, / AND /)
      fits = expression != "null"
      for (i = 1; i <= parts; i++) {
        gsub(/[()]/, "", part[i])
        choices = split(part[i], choice, / OR /)
        one = 0
        for (j = 1; j <= choices; j++) if (choice[j] in allowed || ($1, choice[j]) in exception) one = 1
        if (!one) fits = 0
      }
      if (!fits) { print "licence not allowed: " $1 " " $2 ": " $3; bad++ }
    }
    END {
      if (!crates) { print "licences: cargo metadata named no crates"; exit 1 }
      if (bad) exit 1
      print "licences: " crates " crates, all allowed by deny.toml"
    }
  ' deny.toml -
