/* The command detectors, and classify and redact with a policy, run as by a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "support/run_cmd.h"

/* Written into `dir`, which is the commands' working directory. */
static const struct {
	const char *name, *text;
} files[] = {
	{ "good.yaml",
		"entity: ZED\nclass: pii\nsource: a test\npatterns:\n"
		"  - {name: z, regex: 'ZED-[0-9]{3}', score: 0.9, start: {literals: [ZED-]}}\n"
		"examples: {match: [ZED-123], none: [ZED-12]}\n" },
	{ "bad.yaml",
		"entity: ZED\nclass: pii\nsource: a test\npatterns:\n"
		"  - {name: z, regex: 'ZED-[0-9]{3}', score: 0.9, start: {literals: [ZED-]}}\n"
		"examples: {match: [ZED-123, ZED-12], none: [x]}\n" },
	{ "broken.yaml", "entity: ZED\nclasss: pii\n" },
	{ "policy.yaml", "tollgate: 1\nname: t\nclasses:\n  pii: [EMAIL_ADDRESS]\n"
			 "  both: {words: [Falcon], entities: [EMAIL_ADDRESS]}\n"
			 "rules: [{name: own, redact: {classes: [both]}}]\ndefault: permit\n"
			 "detectors: {thresholds: {US_SSN: 1.0}}\n"
			 "routes: [{name: r, match: {path: /x}, backend: b}]\n" },
	{ "plain.yaml", "tollgate: 1\nname: t\nplaceholder: {form: plain}\ndefault: permit\n"
			"routes: [{name: r, match: {path: /x}, backend: b}]\n" },
	{ "document", "one two three four five six seven eight nine ten eleven twelve thirteen "
		      "fourteen fifteen sixteen seventeen eighteen nineteen twenty\n" },
	{ "short", "one two three\n" },
};

static const struct {
	const char *name;
	const char *args[8];
	const char *in;
	int code;
	const char *out, *err; /* texts that the outputs contain */
} rows[] = {
	{ "a list", { "detectors", "list" }, "", 0, "EMAIL_ADDRESS              pii", "" },
	{ "a list as JSON", { "detectors", "list", "--json" }, "", 0,
		"{\"entity\":\"CREDIT_CARD\",\"class\":\"pii\",\"threshold\":0.50,", "" },
	{ "of a directory", { "detectors", "list", "--dir", "good.yaml" }, "", 0,
		"ZED                        pii           0.50        1        2 \n", "" },
	{ "a page: where a shape begins, what confirms it, its score with a word near",
		{ "detectors", "list", "--markdown" }, "", 0,
		"\n| CREDIT_CARD |  | digits | issuer range, length, Luhn (ISO/IEC 7812-1) | "
		"no | "
		"0.70–0.85 (+0.35) | ISO/IEC 7812-1 (Luhn, annex B); issuer",
		"" },
	{ "its literals in order, of many the first, each once",
		{ "detectors", "list", "--markdown" }, "", 0,
		"| GITHUB_TOKEN | GENERIC_SECRET | `gho_`, `ghp_`, `ghr_`, `ghs_`, `ghu_` … | "
		"its header is JSON with alg (RFC 7515); CRC-32 in base 62 | no | 0.95 |",
		"" },
	{ "a table a class", { "detectors", "list", "--markdown" }, "", 0,
		"\n## secret\n\n| entity | is | begins at | confirmed by |", "" },
	{ "names are found by words", { "detectors", "list", "--markdown" }, "", 0,
		"\n| FACILITY | LOCATION, ORGANIZATION | words |  |  |  | ", "" },
	{ "its thresholds say whether a word is needed",
		{ "detectors", "list", "--markdown", "--policy=policy.yaml" }, "", 0,
		"; digits | area, group and serial in use | yes | 0.20–0.85 (+0.35) "
		"|",
		"" },
	{ "a page of a directory", { "detectors", "list", "--markdown", "--dir", "good.yaml" },
		"", 0,
		"## pii\n\n| entity | is | begins at | confirmed by | word near it needed | "
		"score | "
		"source of the format |\n|---|---|---|---|---|---|---|\n"
		"| ZED |  | `ZED-` |  | no | 0.90 | a test |\n",
		"" },
	{ "with a policy's own", { "detectors", "list", "--json", "--policy=policy.yaml" }, "",
		0, "{\"entity\":\"BOTH\",\"class\":\"both\",\"threshold\":0.50,\"patterns\":0,",
		"" },
	{ "and its thresholds", { "detectors", "list", "--json", "--policy=policy.yaml" }, "",
		0, "{\"entity\":\"US_SSN\",\"class\":\"pii\",\"threshold\":1.00,", "" },
	{ "one entity", { "detectors", "show", "ZED", "--dir", "good.yaml" }, "", 0,
		"ZED\nclass: pii\nsource: a test\nthreshold: 0.50\npattern z: score 0.90, "
		"starts "
		"at: literal, validator: none\n  ZED-[0-9]{3}\nfinds: ZED-123\nnot in: "
		"ZED-12\n",
		"" },
	{ "classes of a policy",
		{ "detectors", "show", "EMAIL_ADDRESS", "--policy", "policy.yaml" }, "", 0,
		"EMAIL_ADDRESS\nclass: pii, both\n", "" },
	{ "no such entity", { "detectors", "show", "EMAIL_ADRESS" }, "", 1, "",
		"EMAIL_ADRESS: no such entity, did you mean EMAIL_ADDRESS?" },
	{ "examples that hold", { "detectors", "test", "good.yaml" }, "", 0,
		"ok 1 - ZED, 2 examples\n1..1\n", "" },
	{ "an example that does not", { "detectors", "test", "good.yaml", "bad.yaml" }, "", 1,
		"ok 1 - ZED, 2 examples\nnot ok 2 - ZED, 3 examples\n# bad.yaml:6:29: ZED: "
		"this "
		"example must match\n1..2\n",
		"" },
	{ "a rule that is none", { "detectors", "test", "broken.yaml" }, "", 2, "1..0",
		"broken.yaml:2:1: unknown key `classs`" },
	{ "a missing file", { "detectors", "test", "nowhere" }, "", 2, "1..0", "nowhere" },
	{ "times", { "detectors", "time", "--bytes=4k", "--dir", "good.yaml" }, "", 0,
		"literal         ZED\n", "" },
	{ "times as JSON", { "detectors", "time", "--bytes=4k", "--dir=good.yaml", "--json" },
		"", 0, "{\"entity\":\"ZED\",\"us_per_kb\":", "" },
	{ "a size that is none", { "detectors", "time", "--bytes", "many" }, "", 2, "",
		"--bytes: give a size from 1k to 16m" },
	{ "fingerprints", { "detectors", "fingerprint", "document" }, "", 0,
		"# tollgate fingerprints 1\n", "" },
	{ "of a text that is too short", { "detectors", "fingerprint", "short" }, "", 1,
		"# tollgate fingerprints 1\n", "short: the file has fewer than 15" },
	{ "of no file", { "detectors", "fingerprint", "nowhere" }, "", 2, "",
		"nowhere: cannot read: No such file" },
	{ "no verb", { "detectors" }, "", 2, "", "usage: tollgate detectors list" },
	{ "help, a line a form", { "help", "detectors" }, "", 0,
		"usage: tollgate detectors list [--json | --markdown]\n"
		"       tollgate detectors show ENTITY...\n",
		"" },
	{ "help of one form", { "help", "audit", "explain" }, "", 0,
		"usage: tollgate audit explain ID [--policy FILE] [--key FILE "
		"[--passphrase-file F] "
		"[--shares FILE | --by NAME --reason TEXT]] [--no-index] [--json]\n       all "
		"except ",
		"" },
	{ "a wrong line, of one form", { "audit", "restore" }, "", 2, "",
		"usage: tollgate audit restore (SEGMENT... | --since T [--until T] [--texts]) "
		"[--archive PLACE]\n       all except " },
	{ "another verb", { "detectors", "lst" }, "", 2, "", "usage: " },
	{ "an option that is none", { "detectors", "list", "--yaml" }, "", 2, "", "usage: " },
	{ "an operand too many", { "detectors", "list", "ZED" }, "", 2, "", "usage: " },
	{ "an option without its value", { "detectors", "list", "--dir" }, "", 2, "",
		"usage: " },
	{ "a policy that is not valid", { "detectors", "list", "--policy", "good.yaml" }, "", 2,
		"", "good.yaml:1:1: entity: unknown key" },
	{ "classify with a policy: its classes, its own words, its thresholds",
		{ "classify", "--policy", "policy.yaml" }, "falcon a@b.de 308-63-0237", 0,
		"{\"findings\":[{\"entity\":\"BOTH\",\"class\":\"both\",\"start\":0,\"end\":6,"
		"\"score\":"
		"0.60},{\"entity\":\"EMAIL_ADDRESS\",\"class\":\"pii\",\"start\":7,\"end\":13,"
		"\"score\":0.90}],\"classes\":[\"both\",\"pii\"],\"injection\":",
		"" },
	{ "classify with a policy that is none", { "classify", "--policy=bad.yaml" }, "x", 2,
		"", "classify: the policy is not valid" },
	{ "decide redacts what a class of its own found",
		{ "decide", "--policy", "policy.yaml" },
		"{\"method\":\"POST\",\"path\":\"/x\",\"headers\":{\"content-type\":"
		"\"application/json\"},\"body\":\"{\\\"m\\\":\\\"the FALCON flies\\\"}\"}",
		0, "the <BOTH_1> flies", "" },
	{ "redact with a policy", { "redact", "--policy", "policy.yaml" }, "Falcon 308-63-0237",
		0, "<BOTH_1> 308-63-0237", "" },
	{ "plain placeholders leave XML well-formed", { "redact", "--policy", "plain.yaml" },
		"<a><b>bob@corp.de</b></a>", 0, "<a><b>EMAIL_ADDRESS_1</b></a>", "" },
	{ "also as a stream", { "redact", "--stream", "--policy", "plain.yaml" },
		"<a><b>bob@corp.de</b></a>", 0, "<a><b>EMAIL_ADDRESS_1</b></a>", "" },
	{ "the data of a Secret is replaced entry by entry", { "redact" },
		"kind: Secret\ndata:\n  user: YWRtaW4=\n  pass: \"bWFkZSB1cA==\"\n", 0,
		"data:\n  user: <KUBERNETES_SECRET_1>\n  pass: \"<KUBERNETES_SECRET_2>\"\n",
		"" },
	{ "a block scalar of a Secret is one entry", { "redact" },
		"kind: Secret\nstringData:\n  a: |\n    made up\n\n    by me\n  b: >-\n    "
		"folded\n    text\n  c: aaaa-9999\nimmutable: true\n",
		0,
		"stringData:\n  a: |\n    <KUBERNETES_SECRET_1>\n  b: >-\n    "
		"<KUBERNETES_SECRET_2>\n  c: <KUBERNETES_SECRET_3>\nimmutable: true\n",
		"" },
	{ "and as a stream", { "redact", "--stream", "--policy=policy.yaml" },
		"Falcon 308-63-0237", 0, "<BOTH_1> 308-63-0237", "" },
};

static void
detector_commands_keep_their_contract(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code = tollgate_argv(rows[i].in, rows[i].args);
		if (code != rows[i].code || !strstr(cmd_out, rows[i].out) ||
			!strstr(cmd_err, rows[i].err) || (!rows[i].err[0] && cmd_err[0]))
			fail_msg("%s: exit %d\n%s\n%s", rows[i].name, code, cmd_out, cmd_err);
	}
}

static int
setup(void **state)
{
	if (temp_dir_make(state) || chdir(dir))
		return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put(files[i].name, files[i].text);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detector_commands_keep_their_contract),
	};
	return cmocka_run_group_tests(tests, setup, temp_dir_remove);
}
