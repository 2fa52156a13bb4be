/* Every argument and option of the commands: the help, the completions and the manual page derive from it, and ecc_cli_options holds what
 * a command asks for against it. An underscore in a command's name is a hyphen on the command line.
 *
 * ARGUMENTS(command, words): what stands behind the command; [ ] may be left out, | is a choice, capitals are for something else.
 * OPTION(command, name, value, summary): value is "" when the option takes none; a | in it makes it a choice, FILE and DIR are paths.
 * COMMON(name, value, summary): of every command. */
COMMON("--color", "auto|always|never", "colours in diagnostics; NO_COLOR is heard, too")
COMMON("--format", "text|json|sarif|github", "how diagnostics, and what commands tell, are written")
COMMON("--help", "", "the usage of one command")

ARGUMENTS(init, "[DIR]")

ARGUMENTS(check, "[FILE]")

ARGUMENTS(fmt, "[FILE ...]")
OPTION(fmt, "--check", "", "write nothing, name the files that would change; exit 2 when there are any")

ARGUMENTS(build, "[FILE]")
OPTION(build, "-o", "DIR", "the folder to write, in place of generated/ beside the topology")
OPTION(build, "--check", "", "write nothing, name the files that would change; exit 2 when there are any")
OPTION(build, "--statements", "FILE", "write the list of SQL statements and what is known of them, and nothing else")
OPTION(build, "--crash-points", "FILE", "write the list of crash points to a file, and nothing else")

ARGUMENTS(up, "[FILE]")
OPTION(up, "--detach", "", "return when all is ready; `down` stops it")
OPTION(up, "--port-base", "N", "add N to every port, from 0 to 50000")
OPTION(up, "--replicas", "N", "run N of each service, from 1 to 4")
OPTION(up, "--kafka", "embedded|apache", "the broker to run when KAFKA_BROKERS names none")

ARGUMENTS(dev, "[FILE]")
OPTION(dev, "--port-base", "N", "add N to every port, from 0 to 50000")
OPTION(dev, "--replicas", "N", "run N of each service, from 1 to 4")
OPTION(dev, "--kafka", "embedded|apache", "the broker to run when KAFKA_BROKERS names none")

ARGUMENTS(down, "[FILE]")

ARGUMENTS(status, "[FILE]")

ARGUMENTS(studio, "[FILE]")
OPTION(studio, "--port", "N", "listen on this port of 127.0.0.1; 0: on any that is free")

ARGUMENTS(invariants, "[FILE]")
OPTION(invariants, "--record", "", "note from now on what is published, for the next `invariants`")
OPTION(invariants, "--within", "SECONDS", "how long to wait until nothing is under way; 60 unless given")

ARGUMENTS(verify, "[SCENARIO] [FILE]")
OPTION(verify, "--rounds", "N", "play everything N times")
OPTION(verify, "--assume", "TEXT", "assume this of the scenario, too, as the language writes it (`thing-svc hangs`); may be given several times")

ARGUMENTS(fault, "[TEXT] [FILE]")
OPTION(fault, "--end", "", "mend it; without TEXT: all that was broken so")

ARGUMENTS(load, "SCENARIO [FILE]")
OPTION(load, "--rate", "N", "requests a second")
OPTION(load, "--for", "DURATION", "how long: 500ms, 30s, 5m or 1h")
OPTION(load, "--count", "N", "exactly N requests, in place of --for")
OPTION(load, "--mix", "SCENARIO=PERCENT", "play this scenario in so many of a hundred; may be given several times")
OPTION(load, "--identities", "N", "how many identities sign in beforehand")
OPTION(load, "--within", "SECONDS", "how long to wait after it until nothing is under way; 60 unless given")
OPTION(load, "--strict", "", "exit 1 also when a request was not answered as expected")

ARGUMENTS(plan, "[FILE]")
OPTION(plan, "--against", "REF", "a commit, branch or tag, or a file, to compare with; HEAD unless given")
OPTION(plan, "--format", "text|md|json", "text for a terminal, md for a review, json for machines")

ARGUMENTS(scenario, "[SCENARIO] [FILE]")

ARGUMENTS(explain, "[CODE|prelude]")

ARGUMENTS(migrate, "SERVICE [up|down|status|baseline]")
OPTION(migrate, "--seed", "", "put in the seeds, too")
OPTION(migrate, "--print", "", "show the migrations, touch no database")
OPTION(migrate, "--style", "dbmate|flyway", "write the migrations as this tool wants them; golang-migrate takes them as they are")
OPTION(migrate, "-o", "DIR", "where --style writes them")

ARGUMENTS(dead_letters, "SERVICE list|show|replay [ID]")
OPTION(dead_letters, "--limit", "N", "list at most N")
OPTION(dead_letters, "--all", "", "replay all of them")

ARGUMENTS(saga, "list|show|retry|resolve [ID] [undone|kept|done]")
OPTION(saga, "--all", "", "list those that have ended, too")
OPTION(saga, "--limit", "N", "list at most N")
OPTION(saga, "--reason", "TEXT", "why it is retried or resolved; kept with the decision")
OPTION(saga, "--reply", "JSON", "of a step that is done by hand: the reply that later steps read")
OPTION(saga, "--by", "NAME", "who decides; the account's name unless given")
ARGUMENTS(secrets, "[NAME=VALUE ...] [FILE]")
OPTION(secrets, "-o", "DIR", "the folder to write, in place of .ecom/deploy beside the topology")
OPTION(secrets, "--sandbox", "", "sandboxes take the providers' places: their secrets are random, and there is a certificate for them")

ARGUMENTS(lsp, "")

ARGUMENTS(completion, "bash|zsh|fish")

ARGUMENTS(help, "[COMMAND]")
OPTION(help, "--man", "", "the manual page, in roff")
