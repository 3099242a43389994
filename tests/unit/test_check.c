/* tollgate check: exit codes, every error of every file, HAProxy's backends, and remarks on
 * valid configurations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/run_cmd.h"

/* The arguments end with NULL. */
#define check(...) tollgate("", "check", __VA_ARGS__)

#define CONFIG "policy: p.yaml\nbackends: [openai, local]\nagent: {listen: unix@/a}\n"
#define RELAY  "relay: {listen: unix@/r, egress: unix@/e}\n"
#define POLICY                                                                                 \
	"tollgate: 1\nname: t\n"                                                               \
	"providers: {own: {backend: openai, external: false}}\n"                               \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, targets: own}]\n"

static void
valid_configuration_is_reported_with_its_version(void **state)
{
	char want[128];

	(void)state;
	put("c.yaml", CONFIG RELAY);
	put("p.yaml", POLICY "rules: [{name: a, permit: true}]\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
	assert_memory_equal(cmd_out, "policy t@", 9);
	snprintf(want, sizeof(want), ": valid; 1 route, 1 rule, 0 limits\n");
	assert_string_equal(cmd_out + 9 + 12, want);
	assert_string_equal(cmd_err, "");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_string_equal(cmd_out + 9 + 12, want);
	assert_int_equal(check("--policy=policies/default.yaml", NULL), 0);
	assert_memory_equal(cmd_out, "policy default@", 15);
	assert_non_null(strstr(cmd_out, "policies/keys.yaml does not exist"));
}

static void
errors_of_both_files_are_listed(void **state)
{
	char want[256];

	(void)state;
	put("c.yaml", CONFIG "worker: 3\n");
	put("p.yaml", POLICY "cache: 1\nrules: [{name: a, when: '1', permit: yes}]\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	snprintf(want, sizeof(want), "%s:4:1: worker: unknown key, did you mean workers?",
		path("c.yaml"));
	assert_non_null(strstr(cmd_err, want));
	snprintf(want, sizeof(want), "%s:5:1: cache: unknown key; accepted: ", path("p.yaml"));
	assert_non_null(strstr(cmd_err, want));
	snprintf(want, sizeof(want), "%s:6:26: when: ", path("p.yaml"));
	assert_non_null(strstr(cmd_err, want));
	snprintf(want, sizeof(want), "%s:6:38: permit: true or false is expected, found yes\n",
		path("p.yaml"));
	assert_non_null(strstr(cmd_err, want));
	assert_null(strstr(cmd_out, "valid"));
}

static void
unreadable_file_gives_exit_code_2(void **state)
{
	(void)state;
	put("c.yaml", CONFIG);
	put("p.yaml", POLICY);
	assert_int_equal(check("-c", "/nonexistent", NULL), 2);
	assert_string_equal(
		cmd_err, "tollgate: check: /nonexistent: No such file or directory\n");
	assert_int_equal(check("--policy", "/nonexistent", NULL), 2);
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", "/nonexistent", NULL), 2);
	assert_null(strstr(cmd_out, "valid"));
	assert_int_equal(check("-c", NULL), 2);
	assert_int_equal(check("extra", NULL), 2);
	assert_int_equal(check("--unknown=secret", NULL), 2);
	assert_non_null(strstr(cmd_err, "tollgate: --unknown: no such option; see --help\n"));
	assert_null(strstr(cmd_err, "secret"));
	assert_int_equal(check("-f", "x", NULL), 2);
	assert_non_null(strstr(cmd_err, "tollgate: -f: no such option; see --help\n"));
	assert_int_equal(check("--policy", NULL), 2);
	assert_non_null(strstr(cmd_err, "tollgate: --policy: needs a value\n"));
	unlink(path("p.yaml"));
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(
		strstr(cmd_err, "p.yaml:1:1: cannot be opened: No such file or directory\n"));
}

static void
backends_must_exist_in_the_haproxy_files(void **state)
{
	char want[256];

	(void)state;
	put("c.yaml", CONFIG);
	put("p.yaml", POLICY);
	put("h.cfg", "global\n  # backend openai\nfrontend local\n  use_backend openai\n  "
		     "default_backend locl\n");
	put("i.cfg", "\tbackend openai # provider\n server a 1:1\nlisten  local\r\nbackend\n");
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), NULL), 1);
	snprintf(want, sizeof(want),
		"%s:2:12: backends: HAProxy's files have no backend openai\n", path("c.yaml"));
	assert_non_null(strstr(cmd_err, want));
	snprintf(want, sizeof(want),
		"%s:2:20: backends: HAProxy's files have no backend local\n", path("c.yaml"));
	assert_non_null(strstr(cmd_err, want));
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), "--haproxy",
				 path("i.cfg"), NULL),
		1);
	assert_null(strstr(cmd_err, "backends:"));
	assert_non_null(strstr(cmd_err, "h.cfg:3:1: stanza-absent: no frontend loads"));
	put("i.cfg", "backend openai\nbackend locla\n");
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", path("i.cfg"), NULL), 1);
	assert_non_null(strstr(cmd_err, "no backend local, did you mean locla?"));
	put("c.yaml", "policy: p.yaml\nbackends: openai\nagent: {listen: unix@/a}\n");
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), NULL), 1);
	assert_non_null(
		strstr(cmd_err, ":2:11: backends: HAProxy's files have no backend openai\n"));
}

static void
dialect_rest_is_permitted_for_any_provider(void **state)
{
	(void)state;
	put("p.yaml", "tollgate: 1\nname: t\n"
		      "providers: {p: {backend: b, dialect: openai, external: false}}\n"
		      "routes: [{name: chat, match: {path: /v1/chat/completions}, targets: p},"
		      " {name: audio, match: {path: /v1/audio}, dialect: rest, targets: p}]\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_string_equal(cmd_err, "");
}

static void
impossible_names_are_errors(void **state)
{
	static const struct {
		const char *policy, *says;
	} names[] = {
		{ "rules: [{name: a, when: '\"secrets\" in prompt.classes', deny: true}]\n",
			"p.yaml:5:9: rule a: no prompt.classes can be \"secrets\", did you "
			"mean "
			"secret?\n" },
		{ "rules: [{name: a, when: \"true && 'US_SNN' in prompt.entities\", deny: "
		  "true}]\n",
			"p.yaml:5:9: rule a: no prompt.entities can be \"US_SNN\", did you "
			"mean "
			"US_SSN?\n" },
		{ "limits: [{name: l, when: '\"pi\" in prompt.classes', requests: 5, window: "
		  "1m}]\n",
			"p.yaml:5:10: limit l: no prompt.classes can be \"pi\", did you mean "
			"pii?\n" },
	};

	(void)state;
	put("c.yaml", CONFIG RELAY);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char policy[1024];
		snprintf(policy, sizeof(policy), "%s%s", POLICY, names[i].policy);
		put("p.yaml", policy);
		assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
		if (!strstr(cmd_err, names[i].says))
			fail_msg("%s: %s", names[i].policy, cmd_err);
	}
}

static void
haproxy_files_are_checked_with_and_without_a_configuration(void **state)
{
	(void)state;
	assert_int_equal(check("--haproxy-only", "--haproxy", "haproxy/haproxy.cfg",
				 "haproxy/tollgate.cfg", "--haproxy-version", "3.0.11", NULL),
		0);
	assert_string_equal(cmd_err, "");
	assert_null(strstr(cmd_out, "advice: "));
	put("h.cfg", "backend own\n http-request set-header api-key abc\n server a :1 check\n"
		     " timeout server 5s\n x \"${TG_NOT_SET}\"\n");
	assert_int_equal(check("--haproxy-only", "--haproxy", path("h.cfg"), "--haproxy",
				 "haproxy/haproxy.cfg", "--haproxy", "haproxy/tollgate.cfg",
				 "--haproxy-version", "2.6.12", NULL),
		1);
	assert_non_null(
		strstr(cmd_err, "h.cfg:1:1: credential-unguarded: own holds a credential"));
	assert_non_null(strstr(cmd_err, "\n    http-request return status 503"));
	assert_non_null(strstr(cmd_out, "advice: "));
	assert_non_null(strstr(cmd_out, "h.cfg:5: TG_NOT_SET is not set, so tollgate read it as empty; "
					"export the variable or add it to "
					"/etc/default/haproxy"));
	assert_int_equal(check("--haproxy-only", "--haproxy", "haproxy/haproxy.cfg",
				 "haproxy/tollgate.cfg", "--haproxy-version", "new", NULL),
		2);
}

static void
observed_backend_must_set_no_credential(void **state)
{
	char policy[4096], day[32];
	time_t soon = time(NULL) + 86400 * 9;

	(void)state;
	strftime(day, sizeof(day), "%Y-%m-%d", gmtime(&soon));
	snprintf(policy, sizeof(policy),
		"%sobserve: {hosts: a.example, backend: local, until: %s}\n", POLICY, day);
	put("c.yaml", CONFIG RELAY);
	put("p.yaml", policy);
	put("h.cfg", "backend openai\nbackend local\n server a :1\n");
	check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), NULL);
	assert_null(strstr(cmd_err, "observe:"));
	for (int gated = 0; gated < 2; gated++) {
		snprintf(policy, sizeof(policy),
			"frontend web\n mode http\n acl tollgate req.hdr(host),host_only -i %s\n"
			" filter spoe engine tollgate config /x\nbackend openai\nbackend local\n server a :1\n",
			gated ? "A.example" : "b.example");
		put("h.cfg", policy);
		check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), NULL);
		bool noted = strstr(cmd_out, "observe: requests of a.example do not pass the gate");
		if (noted == (gated == 1))
			fail_msg("%d: %s%s", gated, cmd_out, cmd_err);
	}
	put("h.cfg", "defaults d\n mode http\n http-request set-header x-api-key k\nbackend "
		     "openai\nbackend local from d # tollgate: no guard\n server a :1\n");
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), NULL), 1);
	assert_non_null(
		strstr(cmd_err, ": observe: backend local sets a credential of its own"));
	assert_non_null(strstr(cmd_err, "h.cfg:3)"));
	put("h.cfg", "backend openai\nbackend local\n http-request return status 503 unless { "
		     "so_name tollgate-inner } or { var(txn.tollgate.via) -m str direct } { "
		     "var(txn.tollgate.decision) -m str permit }\n server a :1\n");
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), NULL), 1);
	assert_non_null(strstr(cmd_err, ": observe: backend local has the guard ("));
	put("h.cfg", "backend openai\n");
	assert_int_equal(check("-c", path("c.yaml"), "--haproxy", path("h.cfg"), NULL), 1);
	assert_non_null(strstr(cmd_err, ": observe: HAProxy's files have no backend local"));
}

/* Checks a configuration that names the key k.yaml: the file must exist and be accessible only
 * to its owner. */
static void
needs_its_key(const char *more, const char *at)
{
	char text[300], want[300];

	snprintf(text, sizeof(text), "%s%s", CONFIG RELAY, more);
	put("c.yaml", text);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	snprintf(want, sizeof(want), "%s:%s: %s: No such file", path("c.yaml"), at,
		path("k.yaml"));
	assert_memory_equal(cmd_err, want, strlen(want));
	put("k.yaml", "0123456789abcdef0123456789abcdef\n");
	assert_int_equal(chmod(path("k.yaml"), 0644), 0);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "mode is 0644"));
	assert_int_equal(chmod(path("k.yaml"), 0600), 0);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
}

static void
key_of_a_hash_is_checked(void **state)
{
	char want[256];

	(void)state;
	put("p.yaml", POLICY "rules: [{name: a, redact: {classes: pii, with: hash}}]\n");
	put("c.yaml", CONFIG RELAY);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	snprintf(want, sizeof(want), "%s:5:48: with: hash needs redact.key_file in %s\n",
		path("p.yaml"), path("c.yaml"));
	assert_string_equal(cmd_err, want);
	needs_its_key("redact: {key_file: k.yaml}\n", "5:20: redact.key_file");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_non_null(strstr(cmd_out, "note: with: hash needs redact.key_file"));
	unlink(path("k.yaml"));
}

static void
state_key_must_be_a_readable_secret(void **state)
{
	(void)state;
	put("p.yaml", POLICY);
	needs_its_key("state_key: k.yaml\nstate_file: s\n", "5:12: state_key");
	put("c.yaml", CONFIG RELAY "state_key: k.yaml\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "state_key: needs state_file, or audit.journal"));
	put("c.yaml", CONFIG RELAY "state_file: s\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "state_file: needs state_key"));
	put("c.yaml", CONFIG RELAY "state_required: true\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "state_required: needs state_key"));
	unlink(path("k.yaml"));
}

/* Persons of two issuers that may have the same name, and claims with names of persons for
 * which records have pseudonyms. */
static void
ambiguous_or_named_persons_are_noted(void **state)
{
#define SEALED                                                                                 \
	"seal: {auditors: [{name: ann, public_key: "                                           \
	"MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=}]}\n"                    \
	"audit: {journal: j, key: k, persons: pseudonym}\n"
#define JWT(more) "  - jwt: {issuer: https://one/, audience: g, jwks: k.json" more "}\n"
#define TWO(more) "  - jwt: {issuer: https://two/, audience: g, jwks: k.json" more "}\n"
#define ASKS	  "alice of "
#define NAMED	  " looks like a person's name"
	static const struct {
		const char *name, *config, *identity, *want, *never;
	} rows[] = {
		{ "two issuers", "", JWT() TWO(),
			"p.yaml:7:5: alice of https://two/ and alice of https://one/ are one person", NAMED },
		{ "one of them has a realm", "", JWT(", realm: a") TWO(), "", ASKS },
		{ "both have", "", JWT(", realm: a") TWO(", realm: b"), "", ASKS },
		{ "one issuer in two places", "", JWT() JWT(", header: x-a"), "", ASKS },
		{ "an issuer and certificates", "", JWT() "  - client_certificate: {}\n",
			"alice of client_certificate and alice of https://one/ are one person", NAMED },
		{ "certificates with a realm", "",
			JWT() "  - client_certificate: {realm: m}\n", "", ASKS },
		{ "an issuer and nobody", "", JWT() "  - none: {}\n", "", ASKS },
		{ "a list of claims, names in plain text", "", JWT(", record: [email]"), "",
			NAMED },
		{ "with pseudonyms", SEALED, JWT(", record: [scope, email]"),
			"record: email looks like a person's name", "scope looks" },
		{ "in another case", SEALED, JWT(", record: Email"), "record: Email looks", ASKS },
		{ "the claim of the person", SEALED,
			JWT(", record: uid, claims: {person: uid}"), "record: uid looks", ASKS },
		{ "a field of certificates", SEALED,
			"  - client_certificate: {record: [subject.CN]}\n",
			"record: subject.CN looks", ASKS },
		{ "no list", SEALED, JWT(), "", NAMED },
	};

	(void)state;
	put("k.json", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		      "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024];
		snprintf(text, sizeof(text), CONFIG RELAY "%s", rows[i].config);
		put("c.yaml", text);
		snprintf(text, sizeof(text), POLICY "identity:\n%s", rows[i].identity);
		put("p.yaml", text);
		int code = check("-c", path("c.yaml"), "--policy", path("p.yaml"), NULL);
		if (code || !strstr(cmd_out, rows[i].want) || strstr(cmd_out, rows[i].never))
			fail_msg("%s: %d: %s%s", rows[i].name, code, cmd_out, cmd_err);
	}
#undef SEALED
#undef JWT
#undef TWO
#undef ASKS
#undef NAMED
}

static void
existing_key_files_are_read(void **state)
{
	(void)state;
	put("p.yaml", POLICY "identity: [{api_key: {keys: k.yaml}}]\n");
	unlink(path("k.yaml"));
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_non_null(strstr(cmd_out, "k.yaml does not exist"));
	put("k.yaml", "nonsense: [\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_err, "k.yaml:"));
}

/* Literals in conditions: values that no request of the policy's routes can have, and possible
 * values. */
static void
impossible_literals_are_noted(void **state)
{
#define ROUTES                                                                                 \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions, host: "         \
	"api.example.com}, targets: [own, far]}\n"                                             \
	"  - {name: rest, match: {methods: [GET, PUT], path_prefix: /api, host: "              \
	"'*.example.org'}, dialect: rest, backend: openai}\n"
#define OPEN "  - {name: open, match: {path_prefix: /o}, dialect: rest, backend: openai}\n"
#define REST "  - {name: one, match: {path: /r}, dialect: rest, backend: openai}\n"
	static const struct {
		const char *when, *routes, *want; /* want NULL: no remark */
	} rows[] = {
		{ "route.name == \"chta\"", ROUTES,
			"rule a: no route.name can be \"chta\", did you mean chat?\n" },
		{ "\"chta\" == route.name", ROUTES, "no route.name can be \"chta\"" },
		{ "route.name != \"chta\"", ROUTES, "no route.name can be \"chta\"" },
		{ "identity.method == \"none\" && !(route.name in [\"chat\", \"gone\"])",
			ROUTES, "no route.name can be \"gone\"\n" },
		{ "identity.method == \"None\"", ROUTES,
			"no identity.method can be \"None\", did you mean none?\n" },
		{ "identity.method in [\"jwt\", \"api_key\"]", ROUTES, NULL },
		{ "route.name in [\"chat\", \"rest\"]", ROUTES, NULL },
		{ "route.name == \"chat\" || route.name == \"\"", ROUTES, NULL },
		{ "route.name.startsWith(\"gone\")", ROUTES, NULL },
		{ "route.name == identity.team", ROUTES, NULL },
		{ "identity.team == \"gone\"", ROUTES, NULL },
		{ "[\"gone\"].exists(x, x == identity.team && route.name == \"chat\")", ROUTES,
			NULL },
		{ "[\"a\"].exists(x, route.name == \"gone\")", ROUTES,
			"no route.name can be \"gone\"" },
		{ "target.name == \"unused\"", ROUTES, "no target.name can be \"unused\"" },
		{ "target.name == \"own\" || target.name == \"far\"", ROUTES, NULL },
		{ "target.region == \"us\"", ROUTES, "no target.region can be \"us\"" },
		{ "target.region == \"eu\"", ROUTES, NULL },
		{ "model.name == \"any\"", ROUTES, NULL },
		{ "model.name == \"any\"", REST, "no model.name can be \"any\"" },
		{ "model.name == \"\"", REST, NULL },
		{ "request.method == \"DELETE\"", ROUTES,
			"no request.method can be \"DELETE\"" },
		{ "request.method == \"PUT\"", ROUTES, NULL },
		{ "request.method == \"DELETE\"", ROUTES OPEN, NULL },
		{ "request.method == \"post\"", ROUTES OPEN,
			"no request.method can be \"post\"" },
		{ "request.method == \"TRACE\"", ROUTES OPEN,
			"no request.method can be \"TRACE\"" },
		{ "request.path == \"/v1/chat/completion\"", ROUTES,
			"no request.path can be \"/v1/chat/completion\", did you mean "
			"/v1/chat/completions?" },
		{ "request.path == \"/apix\"", ROUTES, "no request.path can be \"/apix\"" },
		{ "request.path in [\"/api\", \"/api/deep/er\"]", ROUTES, NULL },
		{ "request.host == \"api.example.net\"", ROUTES,
			"no request.host can be \"api.example.net\"" },
		{ "request.host == \"x.example.org\"", ROUTES, NULL },
		{ "request.host == \"anything.at.all\"", ROUTES OPEN, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2048];
		snprintf(text, sizeof(text),
			"tollgate: 1\nname: t\n"
			"providers: {own: {backend: openai, external: false}, far: {backend: "
			"local, region: eu}, unused: {backend: local}}\nroutes:\n%s"
			"rules:\n  - {name: a, when: '%s', deny: true}\n",
			rows[i].routes, rows[i].when);
		put("p.yaml", text);
		int code = check("--policy", path("p.yaml"), NULL);
		const char *note = strstr(cmd_out, " can be ");
		bool right = rows[i].want ? strstr(cmd_out, rows[i].want) != NULL : !note;
		if (code || !right)
			fail_msg("%s: %d: %s%s", rows[i].when, code, cmd_out, cmd_err);
	}
	put("p.yaml", POLICY "limits: [{name: l, when: 'route.name == \"gone\"', requests: 5, "
			     "window: 1m}]\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_non_null(
		strstr(cmd_out, "p.yaml:5:10: limit l: no route.name can be \"gone\"\n"));
#undef ROUTES
#undef OPEN
#undef REST
}

/* Route m follows routes with a path, a method, a host and an API. */
static void
unreachable_routes_are_noted(void **state)
{
	static const struct {
		const char *name, *route, *want; /* NULL: no remark */
	} rows[] = {
		{ "a path of the api before it",
			"{name: m, match: {methods: [GET], path: /v1/models}}",
			": route m: no request reaches it: route all above it matches "
			"all of "
			"them: " },
		{ "a route without methods", "{name: m, match: {path: /v1/models}}",
			": route m: no request reaches it: route all above it matches "
			"all of "
			"them: " },
		{ "the same path again, for a method",
			"{name: m, match: {methods: [PUT], path: /own}}",
			": route m: no request reaches it: route own above it matches "
			"all of "
			"them: " },
		{ "a route without a destination", "{name: m, match: {path: /else}}",
			": route m: has neither targets nor a backend: HAProxy's own" },
		{ "one path of two is free", "{name: m, match: {path: [/own, /else]}}", NULL },
		{ "below a prefix", "{name: m, match: {methods: [POST], path: /below/x}}",
			": route m: no request reaches it: route below above it matches" },
		{ "a prefix below a prefix", "{name: m, match: {path_prefix: /below/more}}",
			": route m: no request reaches it: route below above it matches" },
		{ "a prefix that begins so", "{name: m, match: {path_prefix: /belowness}}", NULL },
		{ "the same API", "{name: m, match: {api: openai}}",
			": route m: no request reaches it: route all above it matches" },
		{ "the API of one method", "{name: m, match: {api: openai, methods: [POST]}}",
			": route m: no request reaches it: route all above it matches" },
		{ "another API", "{name: m, match: {api: cohere}}", NULL },
		{ "the API below a prefix", "{name: m, match: {api: cohere, path_prefix: /below}}",
			": route m: no request reaches it: route below above it matches" },
		{ "a host's route after one for all hosts",
			"{name: m, match: {host: a.example, path: /own}}",
			": route m: no request reaches it: route own above it matches" },
		{ "a host's route after its own",
			"{name: m, match: {host: a.example, path: /hosts}}",
			": route m: no request reaches it: route hosts above it matches" },
		{ "another host", "{name: m, match: {host: b.example, path: /hosts}}", NULL },
		{ "one host of two is free",
			"{name: m, match: {host: [a.example, b.example], path: /hosts}}", NULL },
		{ "a host below a star", "{name: m, match: {host: x.s.example, path: /star}}",
			": route m: no request reaches it: route star above it matches" },
		{ "a star below a star", "{name: m, match: {host: '*.x.s.example', path: /star}}",
			": route m: no request reaches it: route star above it matches" },
		{ "the star's own name", "{name: m, match: {host: s.example, path: /star}}", NULL },
		{ "another method", "{name: m, match: {methods: [GET, POST], path: /put}}",
			NULL },
		{ "another path", "{name: m, match: {path: /else}}", NULL },
		{ "a host's own route before it", "{name: m, match: {path: /hosts}}", NULL },
		{ "what begins so", "{name: m, match: {path_prefix: /v1/models}}", NULL },
		{ "a star in a path", "{name: m, match: {path: '/own/*'}}",
			": route m: path /own/* matches only a path with a literal *: write "
			"path_prefix for all paths below it\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2048];
		snprintf(text, sizeof(text),
			"tollgate: 1\nname: t\nroutes:\n"
			"- {name: own, match: {path: /own}}\n"
			"- {name: put, match: {methods: [PUT], path: /put}}\n"
			"- {name: hosts, match: {host: a.example, path: /hosts}}\n"
			"- {name: star, match: {host: '*.s.example', path: /star}}\n"
			"- {name: below, match: {path_prefix: /below}}\n"
			"- {name: all, match: {api: openai}}\n- %s\n",
			rows[i].route);
		put("p.yaml", text);
		assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
		const char *found = strstr(cmd_out, ": route m: ");
		if (rows[i].want ? !strstr(cmd_out, rows[i].want)
				 : found && (strstr(found, "no request reaches") ||
						    strstr(found, "a literal *")))
			fail_msg("%s: got %s", rows[i].name, cmd_out);
	}
}

static void
consequences_of_a_configuration_are_noted(void **state)
{
	static const struct {
		const char *name, *policy, *want;
	} rows[] = {
		{ "a header outside the list",
			"identity: [{api_key: {header: x-mine, keys: k.yaml}}]\n",
			":5:13: HAProxy's files do not delete header x-mine: every request "
			"must "
			"use the relay, which deletes it, and without relay.listen it is "
			"refused "
			"with 503\n" },
		{ "shadow", "mode: shadow\n", "mode: shadow: " },
		{ "a rule in shadow", "rules: [{name: a, deny: true, mode: shadow}]\n",
			":5:9: rule a: is in shadow mode: " },
		{ "redaction without relay", "rules: [{name: a, redact: {classes: pii}}]\n",
			":5:9: rule a: redacts, and tollgate.yaml has no relay.listen: its "
			"requests are refused with 503\n" },
		{ "another model without relay", "rules: [{name: a, route: {model: m}}]\n",
			":5:9: rule a: changes the request, and tollgate.yaml has no "
			"relay.listen" },
		{ "dollars",
			"unknown_price: {input: 1, output: 1}\nlimits: [{name: l, usd: 5, "
			"window: 1m}]\n",
			": route chat: has a limit in dollars or on concurrent requests, and "
			"tollgate.yaml has no relay.listen" },
		{ "concurrent requests", "limits: [{name: l, concurrent: 5}]\n",
			": route chat: has a limit in dollars or on concurrent requests, "
			"and " },
		{ "a limit below what is reserved",
			"limits: [{name: l, tokens: 4096, window: 1m}]\n",
			": limit l: a request without a cap on its output reserves "
			"output_default, 4096 tokens, and exceeds the limit: " },
		{ "a rule after one that always ends",
			"rules: [{name: a, permit: true}, {name: b, deny: true}]\n",
			":5:34: rule b: is never evaluated: rule a before it always ends the "
			"evaluation\n" },
		{ "a rule on arguments that come after the call",
			"rules: [{name: a, phase: tool, when: 'tool.name == \"web_search\" && "
			"tool.arguments.q == \"x\"', deny: true}]\n",
			":5:9: rule a: the provider runs web_search itself, and its "
			"tool.arguments are known only after the call: " },
		{ "one that no request can have",
			"rules: [{name: a, phase: tool, when: 'resource.uri == \"FTP://h/\"', "
			"deny: "
			"true}]\n",
			":5:9: rule a: no resource.uri can be \"FTP://h/\"\n" },
		{ "rules on responses without a relay",
			"rules: [{name: a, phase: response, when: '\"pii\" in "
			"response.classes', deny: true}]\n",
			":4:10: route chat: reads the response, and tollgate.yaml has no "
			"relay.listen: its requests are refused with 503\n" },
		{ "a rule that waits for a block's end",
			"rules: [{name: a, phase: response, when: 'response.bytes > 9', deny: "
			"true}]\n",
			":5:9: rule a: in a stream, the rule is evaluated at the end of a "
			"block (once its totals and scores are known): earlier blocks have "
			"already been "
			"sent to the caller\n" },
		{ "a rule that waits for the finish reason",
			"rules: [{name: a, phase: response, when: 'response.finish_reason == "
			"\"length\"', tag: t}]\n",
			"(once the finish reason is known)" },
		{ "a rule on answers in shadow",
			"rules: [{name: a, phase: response, deny: true, mode: shadow}]\n",
			":5:9: rule a: is in shadow mode: " },
		{ "a rule on answers after one that always ends",
			"rules: [{name: a, phase: response, deny: true}, {name: b, phase: "
			"response, tag: t}]\n",
			":5:49: rule b: is never evaluated: rule a before it always ends the "
			"evaluation\n" },
#define EXTERNAL "detectors: {external: [{name: x, entities: [CREDIT_CARD, X_BADGE], "
		{ "prompts that leave without TLS", EXTERNAL "url: 'http://ner.internal/'}]}\n",
			":5:24: external x: prompts are sent to another machine without "
			"TLS: " },
		{ "silence that takes whole texts",
			EXTERNAL
			"url: 'http://127.0.0.1/', map: {a: X_BADGE}, on_failure: redact}]}\n",
			":5:24: external x: on_failure: redact removes nothing that only this "
			"recognizer finds: " },
#undef EXTERNAL
		{ "verdicts of which the harmless ones are not listed",
			"detectors: {external: [{name: x, url: 'http://127.0.0.1/', shape: json, "
			"answer: {label: /v}, map: {unsafe: X_UNSAFE}}]}\n",
			":5:24: external x: a label that is not in map counts as nothing found: " },
	};

	(void)state;
	unlink(path("k.yaml"));
	put("c.yaml", CONFIG);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024];
		snprintf(text, sizeof(text), "%s%s", POLICY, rows[i].policy);
		put("p.yaml", text);
		int code = check("-c", path("c.yaml"), "--policy", path("p.yaml"), NULL);
		const char *note = strstr(cmd_out, "note: ");
		if (code || !note || !strstr(note, rows[i].want))
			fail_msg("%s: %d: %s", rows[i].name, code, cmd_out);
	}
	put("p.yaml",
		"tollgate: 1\nname: t\n"
		"providers: {p: {backend: openai}, q: {backend: local}}\n"
		"routes:\n  - {name: x, match: {path: /x}, targets: [p, q]}\n"
		"  - {name: y, match: {path: /y}, targets: p}\n"
		"  - {name: z, match: {path: /z}, backend: openai}\n"
		"rules: [{name: a, route: {targets: [q]}}, {name: b, route: {model: m}}]\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_non_null(strstr(cmd_out,
		"p.yaml:8:9: rule a: if it matches on a route that has none of its targets, it "
		"denies the request: y, z\n"));
	put("p.yaml",
		"tollgate: 1\nname: t\nproviders: {p: {backend: openai, dialect: mcp}, g: {backend: "
		"local, dialect: gemini}}\nroutes: [{name: x, match: {path: /x}, targets: p}, {name: "
		"y, match: {path_prefix: /ws}, targets: g, websocket: true}]\n");
	put("c.yaml", CONFIG RELAY);
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
	assert_non_null(strstr(cmd_out,
		":4:10: route x: without state_key the pins of its tools are lost at a restart: "));
	put("prices.yaml", "prices: 1\nas_of: 2026-11-01\nproviders:\n"
			   "  openai: [{model: big, input: 1, output: 1}]\n");
	put("p.yaml", "tollgate: 1\nname: t\nprices: prices.yaml\n"
		      "providers: {p: {backend: openai, dialect: openai}}\n"
		      "routes: [{name: x, match: {path: /v1/chat/completions}, targets: p}]\n"
		      "limits: [{name: l, usd: 5, window: 1m, at_limit: {model: small, up_to: "
		      "6}}]\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_non_null(
		strstr(cmd_out, "p.yaml:6:10: limit l: at_limit: small has no price at p: "));
	assert_null(strstr(cmd_out, "rule b"));
	/* A route that goes directly to an external provider is reported with its first such
	 * target. */
	put("p.yaml",
		"tollgate: 1\nname: t\n"
		"providers: {p: {backend: openai}, q: {backend: openai, via: relay}, r: "
		"{backend: local, external: false}}\n"
		"routes:\n  - {name: d, match: {path: /d}, targets: [q, r, p], via: direct}\n"
		"  - {name: e, match: {path: /e}, targets: [q, r]}\n"
		"  - {name: f, match: {path: /f}, backend: openai}\n"
		"  - {name: g, match: {path: /g}, targets: p, response: [record]}\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_non_null(
		strstr(cmd_out, "p.yaml:5:5: route d: goes direct to p, which is external: "));
	assert_non_null(strstr(
		cmd_out, "p.yaml:7:5: route f: goes direct to a backend of no provider"));
	assert_null(strstr(cmd_out, "route e: goes"));
	assert_null(strstr(cmd_out, "route g: "));
	/* A breaker and a limit on requests in flight take the relay, as several targets do. */
	put("p.yaml",
		"tollgate: 1\nname: t\n"
		"providers: {p: {backend: openai, breaker: {failures: 5}}, q: {backend: openai, "
		"concurrent: 4}, r: {backend: openai}}\n"
		"routes:\n  - {name: d, match: {path: /d}, targets: p, retry: {attempts: 1}}\n"
		"  - {name: e, match: {path: /e}, targets: q, retry: {attempts: 1}}\n"
		"  - {name: f, match: {path: /f}, targets: r, retry: {attempts: 1}}\n"
		"  - {name: g, match: {path: /g}, targets: p, retry: {attempts: 1}, via: direct}\n"
		"  - {name: h, match: {path: /h}, targets: r, retry: {attempts: 1}}\n"
		"limits: [{name: l, concurrent: 2, when: 'route.name == \"h\"'}]\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	assert_null(strstr(cmd_out, "route d: goes direct"));
	assert_null(strstr(cmd_out, "route e: goes direct"));
	assert_non_null(strstr(cmd_out, "route f: goes direct to r"));
	assert_non_null(strstr(cmd_out, "route g: goes direct to p"));
	assert_null(strstr(cmd_out, "route h: goes direct"));
	put("p.yaml",
		"tollgate: 1\nname: t\n"
		"providers: {p: {backend: openai}, q: {backend: local, dialect: anthropic}}\n"
		"routes:\n  - {name: d, match: {path: /a}, dialect: openai, targets: [q]}\n"
		"  - {name: e, match: {path: /v1/messages}, dialect: anthropic, targets: [q]}\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	/* Translated requests always take the relay. */
	assert_null(strstr(cmd_out, "route d: goes direct to q"));
	assert_non_null(strstr(cmd_out, "route e: goes direct to q"));
	put("p.yaml",
		"tollgate: 1\nname: t\n"
		"providers: {p: {backend: openai}, q: {backend: local, via: relay}}\n"
		"routes:\n  - {name: d, match: {path: /d}, targets: [p, {provider: q, weight: "
		"3}]}\n"
		"  - {name: e, match: {path: /e}, targets: [p, {provider: q, weight: 3}], "
		"choose: {by: weight}, retry: {attempts: 1}}\n"
		"models:\n  f: {targets: [{provider: p, model: m, weight: 2}], choose: {by: "
		"order}}\n  g: {targets: [{provider: q, model: n}, {provider: p, model: m}], "
		"choose: {sticky: identity}}\n"
		"rules: [{name: x, route: {model: g}}]\n"
		"limits: [{name: y, requests: 5, window: 1m, at_limit: {model: f, up_to: 6}}]\n"
		"prices: prices.yaml\n");
	assert_int_equal(check("--policy", path("p.yaml"), NULL), 0);
	const char *first = strstr(cmd_out, "p.yaml:8:17: target p: model m has no price in ");
	assert_non_null(first);
	assert_null(strstr(first + 1, "p.yaml:8:17: target p: "));
	put("p.yaml", POLICY "rules: [{name: a, when: '\"secret\" in prompt.classes || "
			     "\"US_SSN\" in prompt.entities', deny: true}]\n");
	assert_int_equal(check("-c", path("c.yaml"), NULL), 0);
	assert_null(strstr(cmd_out, "note: "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_configuration_is_reported_with_its_version),
		cmocka_unit_test(errors_of_both_files_are_listed),
		cmocka_unit_test(unreadable_file_gives_exit_code_2),
		cmocka_unit_test(backends_must_exist_in_the_haproxy_files),
		cmocka_unit_test(dialect_rest_is_permitted_for_any_provider),
		cmocka_unit_test(impossible_names_are_errors),
		cmocka_unit_test(haproxy_files_are_checked_with_and_without_a_configuration),
		cmocka_unit_test(observed_backend_must_set_no_credential),
		cmocka_unit_test(key_of_a_hash_is_checked),
		cmocka_unit_test(state_key_must_be_a_readable_secret),
		cmocka_unit_test(ambiguous_or_named_persons_are_noted),
		cmocka_unit_test(existing_key_files_are_read),
		cmocka_unit_test(impossible_literals_are_noted),
		cmocka_unit_test(unreachable_routes_are_noted),
		cmocka_unit_test(consequences_of_a_configuration_are_noted),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
