/* tollgate check: configuration, detectors and policy as serve would load them,
 * and HAProxy's own files against the backends that the configuration lists.
 * Every mistake is a line "file:line:column: message" on stderr; on stdout is
 * what is valid, with remarks that begin with "note: ". Nothing is written and nothing is
 * connected to. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "policy/identity.h"
#include "policy/notes.h"
#include "policy/own.h"
#include "policy/read.h"
#include "store/keyfile.h"

enum { FILES_MAX = 32, HAPROXY_BYTES = 16 << 20, NOTES_BYTES = 1 << 20 };

struct check {
	struct arena a;
	struct diag d;
	const char *config_file; /* NULL: none */
	const struct config *cfg;
	const char *named_config, *policy_file;
	const char *haproxy[FILES_MAX];
	size_t nhaproxy;
	struct buf backends; /* names in HAProxy's files, a NUL after each */
	struct buf notes;
	bool cannot; /* a file that was named cannot be read */
};

/* ---- HAProxy's files ---- */

static struct span
first_word(struct span s)
{
	size_t n = 0;

	s = span_trim(s, " \t\r");
	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t' && s.p[n] != '#')
		n++;
	return span_cut(s, 0, n);
}

static void
haproxy_sections(struct check *c, struct span text)
{
	while (text.p) {
		struct span line = span_trim(span_next(&text, '\n'), " \t\r");
		struct span word = first_word(line);
		if (!span_is(word, "backend") && !span_is(word, "listen"))
			continue;
		buf_span(&c->backends, first_word(span_cut(line, word.n, line.n)));
		buf_putc(&c->backends, 0);
	}
}

/* Reports a backend of the configuration that HAProxy's files do not have. */
static void
check_backend(const struct check *c, const struct yaml_node *n, struct diag *d)
{
	struct nearest near = nearest_to(n->s);

	for (struct span rest = buf_view(&c->backends); rest.n;)
		if (nearest_is(&near, span_next(&rest, 0).p))
			return;
	diag_at(d, n, "backends: HAProxy's files have no backend %s%s", n->s.p,
		nearest_hint(&near));
}

static void
check_haproxy(struct check *c)
{
	struct diag again;

	for (size_t i = 0; i < c->nhaproxy; i++) {
		struct buf text;
		buf_init(&text, HAPROXY_BYTES);
		if (cmd_read_file(c->haproxy[i], &text) < 0) {
			cmd_fail(c->haproxy[i], "cannot read: %s",
				buf_failed(&text) ? "too large" : strerror(errno));
			c->cannot = true;
		}
		haproxy_sections(c, buf_view(&text));
		buf_free(&text);
	}
	if (c->cannot || c->nhaproxy == 0)
		return;
	/* Once more for the positions; what is wrong in it was said before. */
	diag_init(&again);
	const struct yaml_node *root = yaml_load_file(&c->a, c->config_file, &again);
	const struct yaml_node *list = yaml_get(root, "backends");
	for (const struct yaml_node *n = list ? yaml_first(list) : NULL; n;
		n = yaml_next(list, n))
		if (n->kind == YAML_SCALAR)
			check_backend(c, n, &c->d);
	diag_free(&again);
}

/* ---- the policy ---- */

static void
add_note(void *arg, const char *text)
{
	struct check *c = arg;

	buf_printf(&c->notes, "note: %s\n", text);
}

/* Key files that exist are read as serve reads them; one that does not exist yet
 * (tollgate key new makes it) is a remark. */
static void
check_keys(struct check *c, const struct policy *p)
{
	bool missing = false;

	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		const char *file = e->kind == ID_JWT ? e->jwks_file : e->keys_file;
		if (!file || access(file, F_OK) == 0)
			continue;
		buf_printf(&c->notes,
			"note: %s:%u:%u: %s does not exist: serve will not start without it\n",
			e->at->file, e->at->line, e->at->column, file);
		missing = true;
	}
	if (missing)
		return;
	struct identity_keys *keys = identity_keys_load(p, false, NULL, &c->d);
	identity_keys_free(&keys);
}

static void
check_hash_key(struct check *c, const struct policy *p)
{
	unsigned char key[KEYFILE_BYTES];
	struct buf why;

	if (p->hashes && !c->cfg)
		add_note(c, "with: hash needs redact.key_file in the daemon's tollgate.yaml");
	if (!c->cfg || !c->cfg->redact_key_file)
		return;
	buf_init(&why, 4096);
	if (keyfile_load(c->cfg->redact_key_file, key, &why))
		diag_at(&c->d, c->cfg->redact_key_at, "redact.key_file: %.*s",
			SPAN_ARG(buf_view(&why)));
	explicit_bzero(key, sizeof(key));
	buf_free(&why);
}

static void
add_lines(struct diag *d, struct span text)
{
	buf_span(&d->text, text);
	for (size_t i = 0; i < text.n; i++)
		d->errors += text.p[i] == '\n';
	if (text.n && text.p[text.n - 1] != '\n') {
		buf_putc(&d->text, '\n');
		d->errors++;
	}
}

static void
check_policy(struct check *c)
{
	struct buf errors;
	const char *file = c->policy_file ? c->policy_file : c->cfg ? c->cfg->policy : NULL;

	if (!file)
		return; /* the configuration's mistakes include it */
	buf_init(&errors, 1 << 20);
	struct detect_rules *rules = NULL;
	const struct policy *p = policy_open(
		&c->a, file, c->cfg, c->cfg ? c->cfg->detectors : NULL, &rules, &c->d);
	if (rules && detect_self_test(rules, &errors) && errors.n == 0)
		buf_str(&errors, "detectors: an example of the rules fails");
	add_lines(&c->d, buf_view(&errors));
	buf_free(&errors);
	if (p)
		check_keys(c, p);
	if (p)
		check_hash_key(c, p);
	const struct policy *shadow = NULL;
	if (rules && !c->policy_file && c->cfg && c->cfg->shadow_policy)
		shadow = policy_load(&c->a, c->cfg->shadow_policy, c->cfg, rules, &c->d);
	if (shadow && c->d.errors == 0)
		printf("shadow_policy %s: valid\n", shadow->label);
	if (p && c->d.errors == 0 && !c->cannot) {
		printf("policy %s: valid; %zu route%s, %zu rule%s, %zu limit%s\n", p->label,
			p->nroutes, p->nroutes == 1 ? "" : "s", p->nrules,
			p->nrules == 1 ? "" : "s", p->nlimits, p->nlimits == 1 ? "" : "s");
		policy_notes(p, c->cfg, rules, add_note, c);
		fwrite(c->notes.p ? buf_view(&c->notes).p : "", 1, c->notes.n, stdout);
	}
	detect_free(&rules);
}

int
cmd_check(int argc, char **argv)
{
	struct check c = { 0 };
	const struct cmd_option options[] = {
		{ "c", .text = &c.named_config },
		{ "policy", .text = &c.policy_file },
		{ "haproxy", .text = c.haproxy, .count = &c.nhaproxy, .most = FILES_MAX },
		{ .name = NULL },
	};
	char **operands;
	int code;

	if (cmd_options(argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	c.config_file = config_find(c.named_config);
	if (!c.config_file && c.named_config)
		return cmd_fail("check", "%s: %s", c.named_config, strerror(errno));
	if (!c.config_file && !c.policy_file)
		return cmd_fail("check", "no tollgate.yaml here or under /etc/tollgate/; name "
					 "one with -c, or a policy with --policy");
	if (!c.config_file && c.nhaproxy)
		return cmd_fail("check",
			"--haproxy compares the backends of a configuration: name one with -c");
	if (c.policy_file && access(c.policy_file, R_OK) != 0)
		return cmd_fail("check", "%s: %s", c.policy_file, strerror(errno));

	arena_init(&c.a, 0, false);
	diag_init(&c.d);
	buf_init(&c.backends, HAPROXY_BYTES);
	buf_init(&c.notes, NOTES_BYTES);
	if (c.config_file)
		c.cfg = config_read(&c.a, c.config_file, &c.d);
	check_haproxy(&c);
	check_policy(&c);
	diag_sort(&c.d);
	fwrite(c.d.text.p ? buf_view(&c.d.text).p : "", 1, c.d.text.n, stderr);
	code = c.cannot ? EXIT_CANNOT : c.d.errors ? EXIT_NO : EXIT_DONE;
	buf_free(&c.notes);
	buf_free(&c.backends);
	diag_free(&c.d);
	arena_reset(&c.a);
	return code;
}
