#!/bin/sh
# Builds and runs the fuzzer of the parser: run_parse.sh SECONDS [SCRATCH FOLDER]. The corpus starts from the .ecom files of the repository.
set -eu
seconds=${1:-60}
scratch=${2:-$(mktemp -d)}
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$scratch/corpus"
cp "$root/dsl/grammar.y" "$scratch"
cd "$scratch"
lemon -l -q -T/usr/share/lemon/lempar.c grammar.y
re2c --no-generation-date --no-version -i -o lexer.c "$root/dsl/lexer.re"
grep -o 'X([A-Z_]*, "[^" ]*")' "$root/dsl/lexer.h" | sed 's/.*, \("[^"]*"\))/\1/' | sort -u > words.dict
for file in "$root"/topology.ecom "$root"/tests/ui/*.ecom "$root"/tests/unit/*.ecom; do cp "$file" corpus; done
clang -g -O1 -std=gnu11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I"$root/dsl" -I. \
    "$root/tests/fuzz/fuzz_parse.c" grammar.c lexer.c "$root"/dsl/arena.c "$root"/dsl/ast_*.c "$root"/dsl/brackets.c "$root"/dsl/diag.c \
    "$root"/dsl/diag_write.c "$root"/dsl/parse.c "$root"/dsl/source.c "$root"/dsl/syntax_error.c -o fuzz_parse
./fuzz_parse -max_total_time="$seconds" -dict=words.dict -max_len=${MAX_LEN:-4000} -timeout=10 -print_final_stats=1 corpus
