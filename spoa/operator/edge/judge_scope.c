/* Rules about the selection of requests for the gate: the values that `acl tollgate` reads,
 * also through variables and headers, and the rules that change those values.
 *
 * The ACL must select requests by host or bind. A path can be spelled in many ways (//v1,
 * /./v1, /%761), so an ACL on the path could be bypassed. The current stanza evaluates the ACL
 * once; older stanzas evaluated it at each line, so a rule in between could change the result.
 */
#include <regex.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/codec/credentials.h"
#include "base/scoped.h"
#include "operator/edge/judge_private.h"

const struct haproxy_line *
decided_once(const struct haproxy_section *s)
{
	return haproxy_own(s, "http-request", "set-var(" GATED_VARIABLE ")");
}

bool
is_before(const struct haproxy_section *s, const struct haproxy_line *l,
	const struct haproxy_line *of)
{
	return l < s->line || l >= s->line + s->n || l < of;
}

static bool
is_scope(const struct haproxy_line *l)
{
	return haproxy_begins(l, "acl", "tollgate");
}

bool
older_stanza(const struct haproxy_section *s)
{
	bool asks = false, named = false;

	for (size_t i = 0; i < s->n; i++) {
		if (line_holds(&s->line[i], GATED_VARIABLE))
			return false;
		asks |= asks_daemon(&s->line[i]);
		named |= is_scope(&s->line[i]);
	}
	return asks && named;
}

/* ---- what a line reads ---- */

/* Sample fetches whose value a caller can spell in many ways. */
static const char *const path_fetches[] = { "path", "url", "url32", "base", "base32", "baseq",
	"capture.req.uri", "query", "pathq", "urlp", "url_param", "http_first_req" };
/* Aliases of these fetches in log formats. */
static const char *const path_aliases[] = { "%HP", "%HU", "%HQ", "%r", "%{+Q}r", "%{+E}r" };

bool
reads_path(struct span criterion)
{
	for (size_t i = 0; i < COUNT_OF(path_fetches); i++) {
		struct span f = span_str(path_fetches[i]);
		if (!span_starts(criterion, f))
			continue;
		if (criterion.n == f.n || strchr("_,(+]", criterion.p[f.n]))
			return true;
	}
	return false;
}

static bool
is_name_char(char c)
{
	return is_word(c) || c == '.' || c == '-';
}

/* Returns the next name in an expression: a fetch, converter, variable or header. The name
 * includes the character that follows it, which shows whether it is a fetch. */
static struct span
next_name(struct span *rest)
{
	size_t i = 0, from;

	while (i < rest->n && !is_name_char(rest->p[i]))
		i++;
	for (from = i; i < rest->n && is_name_char(rest->p[i]);)
		i++;
	struct span name = span_cut(*rest, from, i);
	name.n = i < rest->n && name.n ? name.n + 1 : name.n;
	*rest = span_cut(*rest, i, rest->n);
	return name;
}

/* Search for a dependency on the path. `seen` holds the lines visited so far; a line is visited
 * once, so cycles end. */
struct path_search {
	const struct haproxy *h;
	const struct haproxy_section *s;
	const struct haproxy_line *seen[256];
	size_t n;
};

static bool line_of_path(struct path_search *p, const struct haproxy_line *l);

/* Returns true if a rule writes this variable, or this request header, from the path. Rules
 * after the line that decides once do not count. */
static bool
name_of_path(struct path_search *p, struct span name)
{
	struct haproxy_walk w = haproxy_walk(p->s);
	const struct haproxy_line *l, *once = decided_once(p->s);

	for (size_t i = 0; memchr(name.p, '.', name.n) && i < p->h->n; i++)
		for (size_t k = 0; k < p->h->section[i].n; k++)
			if (haproxy_writes(&p->h->section[i].line[k], name) &&
				line_of_path(p, &p->h->section[i].line[k]))
				return true;
	while ((l = haproxy_next(&w)))
		if ((!once || is_before(p->s, l, once)) &&
			span_ends(haproxy_word(l, 1), SPAN_LIT("-header")) &&
			span_ieq(haproxy_word(l, 2), name) && line_of_path(p, l))
			return true;
	return false;
}

static bool
expression_of_path(struct path_search *p, struct span e)
{
	for (size_t i = 0; i < COUNT_OF(path_aliases); i++)
		if (memmem(e.p, e.n, path_aliases[i], strlen(path_aliases[i])))
			return true;
	while (e.n) {
		struct span name = next_name(&e);
		if (reads_path(name))
			return true;
		if (name.n && !is_name_char(name.p[name.n - 1]))
			name.n--;
		if (name.n && name_of_path(p, name))
			return true;
	}
	return false;
}

/* Returns true if the line depends on the path: an ACL by its criterion, a rule by its values
 * and its condition with all ACLs that the condition names. */
static bool
line_of_path(struct path_search *p, const struct haproxy_line *l)
{
	size_t condition = condition_at(l);

	for (size_t i = 0; i < p->n; i++)
		if (p->seen[i] == l)
			return false;
	if (p->n == COUNT_OF(p->seen))
		return true; /* too many lines to follow: assume that the path matters */
	p->seen[p->n++] = l;
	if (span_is(l->word[0], "acl"))
		return expression_of_path(p, haproxy_word(l, 2));
	for (size_t i = 2; i < condition; i++)
		if (expression_of_path(p, l->word[i]))
			return true;
	for (size_t i = condition + 1; i < l->n; i++) {
		struct span name = l->word[i];
		bool braced = span_ends(l->word[i - 1], SPAN_LIT("{"));
		if (braced && expression_of_path(p, name))
			return true;
		if (span_starts(name, SPAN_LIT("!")))
			name = span_cut(name, 1, name.n);
		struct haproxy_walk w = haproxy_walk(p->s);
		const struct haproxy_line *acl;
		while (!braced && (acl = haproxy_next(&w)))
			if (span_is(acl->word[0], "acl") &&
				span_eq(haproxy_word(acl, 1), name) && line_of_path(p, acl))
				return true;
	}
	return false;
}

void
rule_stanza_scope(struct judge *j)
{
	static const char paste[] =
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com";
	bool named = false;

	for (size_t i = 0; j->gate && i < j->gate->n; i++) {
		const struct haproxy_line *l = &j->gate->line[i];
		struct path_search p = { .h = j->h, .s = j->gate };
		if (!is_scope(l))
			continue;
		named = true;
		if (reads_path(haproxy_word(l, 2)) || line_of_path(&p, l))
			found(j, l, paste,
				"this ACL selects the gate's requests by path%s. Callers can "
				"write the path as //v1, /./v1 or /%%761 and bypass the gate: "
				"select by host or bind",
				reads_path(haproxy_word(l, 2))
					? ""
					: ", through a variable or a header that contains the "
					  "path");
	}
	if (j->gate && j->bolt_on && !named)
		found(j, j->engine, paste,
			"no `acl tollgate` selects the requests that pass "
			"the gate: add one");
}

/* ---- rules that change what the ACL reads ---- */

enum input { PATH = 1, HOST = 2, METHOD = 4, SRC = 8, DST = 16 };

/* Request properties that fetches read and rules can change. Variables, headers and files are
 * handled separately. */
static const struct {
	const char *fetch;
	unsigned reads;
} inputs[] = {
	{ "path", PATH },
	{ "query", PATH },
	{ "url", PATH | HOST },
	{ "base", PATH | HOST },
	{ "capture.req.uri", PATH },
	{ "method", METHOD },
	{ "METH_", METHOD },
	{ "src", SRC },
	{ "dst", DST },
};

/* Actions and the properties that they change. */
static const struct {
	const char *action;
	unsigned changes;
} shaping[] = {
	{ "set-path", PATH },
	{ "replace-path", PATH },
	{ "set-pathq", PATH },
	{ "replace-pathq", PATH },
	{ "set-query", PATH },
	{ "normalize-uri", PATH },
	{ "set-uri", PATH | HOST }, /* an absolute URI also sets Host */
	{ "replace-uri", PATH | HOST },
	{ "set-method", METHOD },
	{ "set-src", SRC },
	{ "set-src-port", SRC },
	{ "set-dst", DST },
	{ "set-dst-port", DST },
};

/* Returns the header that a criterion reads: empty for none, "*" for all. */
static struct span
header_read(struct span criterion)
{
	const char *p = criterion.n ? memmem(criterion.p, criterion.n, "hdr", 3) : NULL;
	struct span rest = p ? span_cut(criterion, (size_t)(p - criterion.p), criterion.n)
			     : span_of("", 0);
	size_t from = span_chr(rest, '('), to = from + 1;

	if (!p)
		return span_starts(criterion, SPAN_LIT("base")) ||
				       span_starts(criterion, SPAN_LIT("url"))
			       ? SPAN_LIT("host")
			       : rest;
	if (from == rest.n || from > span_chr(rest, ','))
		return SPAN_LIT("*");
	while (to < rest.n && rest.p[to] != ',' && rest.p[to] != ')')
		to++;
	return span_trim(span_cut(rest, from + 1, to), " \"'");
}

/* Returns true if the pattern may match the name `host`. POSIX has no look-ahead, so for the
 * stanza's pattern of all names but some, these names are matched instead. */
static bool
pattern_takes_host(struct span pattern)
{
	struct span begins = SPAN_LIT(SENT_BEGINS), ends = SPAN_LIT(SENT_ENDS);
	bool except = span_starts(pattern, begins) && span_ends(pattern, ends);
	SCOPED_BUF(names, 4096);
	regex_t re;

	if (except) {
		buf_str(&names, "^(");
		buf_span(&names, span_cut(pattern, begins.n, pattern.n - ends.n));
		buf_str(&names, ")$");
	} else {
		buf_span(&names, pattern);
	}
	buf_putc(&names, '\0');
	if (names.failed || regcomp(&re, names.p, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return true;
	bool match = regexec(&re, "host", 0, NULL, 0) == 0;
	regfree(&re);
	return match != except;
}

/* Returns true if the rule writes this header by its name, or deletes it by a pattern. */
static bool
writes_header(const struct haproxy_line *l, struct span header)
{
	static const char *const actions[] = { "set-header", "add-header", "replace-header",
		"replace-value", "del-header" };
	struct span name = haproxy_word(l, 2), how = value_after(l, 3, "-m");

	if (!header.n || !SPAN_IN(haproxy_word(l, 1), actions))
		return false;
	if (!span_is(haproxy_word(l, 1), "del-header") || !how.n || span_is(how, "str"))
		return span_is(header, "*") || span_ieq(name, header);
	if (span_is(header, "*") || !span_is(header, "host"))
		return true;
	if (span_is(how, "beg"))
		return span_istarts(header, name);
	return !span_is(how, "reg") || pattern_takes_host(name);
}

/* Returns true if the action is add-acl(FILE), del-map(FILE) or similar, and the ACL reads
 * FILE. */
static bool
writes_file_of(const struct haproxy_line *l, const struct haproxy_line *acl)
{
	static const char *const actions[] = { "add-acl(", "del-acl(", "add-map(", "set-map(",
		"del-map(" };
	struct span action = haproxy_word(l, 1);

	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		struct span a = span_str(actions[i]);
		if (!span_starts(action, a) || action.n < a.n + 2)
			continue;
		struct span file = span_cut(action, a.n, action.n - 1);
		for (size_t k = 2; k < acl->n; k++)
			if (memmem(acl->word[k].p, acl->word[k].n, file.p, file.n))
				return true;
	}
	return false;
}

/* Returns true if the rule's new target certainly has no authority, so that Host does not
 * change. */
static bool
is_relative(const struct haproxy_line *l)
{
	struct span value = haproxy_word(l, span_is(haproxy_word(l, 1), "replace-uri") ? 3 : 2);

	return span_starts(value, SPAN_LIT("/")) || span_starts(value, SPAN_LIT("%[path"));
}

bool
rule_changes_host(const struct haproxy_line *l)
{
	struct span action = haproxy_word(l, 1);

	return span_is(l->word[0], "http-request") &&
	       (writes_header(l, SPAN_LIT("host")) ||
		       ((span_is(action, "set-uri") || span_is(action, "replace-uri")) &&
			       !is_relative(l)));
}

/* Returns true if this rule of the request changes what this ACL reads. */
static bool
changes_read_value(const struct haproxy_line *l, const struct haproxy_line *acl)
{
	struct span criterion = haproxy_word(acl, 2), action = haproxy_word(l, 1);
	unsigned reads = 0;

	if (l->negated || !span_is(l->word[0], "http-request"))
		return false;
	for (size_t i = 0; i < COUNT_OF(inputs); i++)
		if (span_starts(criterion, span_str(inputs[i].fetch)))
			reads |= inputs[i].reads;
	if (span_ieq(header_read(criterion), SPAN_LIT("host")))
		reads |= HOST;
	for (size_t i = 0; i < COUNT_OF(shaping); i++)
		if (span_is(action, shaping[i].action) &&
			reads & shaping[i].changes & ~(is_relative(l) ? HOST : 0U))
			return true;
	for (size_t k = 2; k < acl->n; k++) {
		struct span rest = acl->word[k];
		while (rest.n) {
			struct span name = next_name(&rest);
			if (name.n && !is_name_char(name.p[name.n - 1]))
				name.n--;
			if (name.n && haproxy_writes(l, name))
				return true;
		}
	}
	return span_starts(action, SPAN_LIT("lua.")) || writes_file_of(l, acl) ||
	       writes_header(l, header_read(criterion));
}

/* Returns where the stanza's request rules begin: the line that decides once, or the first line
 * with a name that only the stanza uses. NULL: the section has no stanza. */
static const struct haproxy_line *
stanza_begins(const struct haproxy_section *s)
{
	const struct haproxy_line *once = decided_once(s);

	if (once)
		return once;
	for (size_t i = 0; i < s->n; i++)
		if (span_is(s->line[i].word[0], "http-request") &&
			(line_holds(&s->line[i], "txn.tollgate") ||
				line_holds(&s->line[i], "x-tollgate-") ||
				asks_daemon(&s->line[i])))
			return &s->line[i];
	return NULL;
}

/* Returns true if the rule changes what `acl tollgate` reads and is not limited to the second
 * pass. */
static bool
changes_name(const struct haproxy_section *s, const struct haproxy_line *l)
{
	bool some = false;

	for (size_t i = 0; i < s->n && !some; i++)
		some = is_scope(&s->line[i]) && changes_read_value(l, &s->line[i]);
	return some && !condition_requires(s, l, INNER);
}

/* Returns true if the rule does so for requests that pass the gate. */
static bool
changes_scope(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return changes_name(s, l) && !condition_excludes(s, l, GATED | NAMED);
}

static bool
scope_differs_at(const struct haproxy_section *s, const struct haproxy_line *l, bool widened)
{
	const struct haproxy_line *begin = stanza_begins(s),
				  *k = begin ? begin : s->line + s->n;
	bool request = span_is(l->word[0], "http-request");

	for (; k < s->line + s->n && (!request || k < l); k++)
		if (span_is(k->word[0], "http-request") &&
			(widened ? changes_name(s, k) &&
						!condition_requires(s, k, GATED | INNER)
				 : changes_scope(s, k)))
			return true;
	return false;
}

bool
scope_changed_before(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return scope_differs_at(s, l, false);
}

bool
scope_widened_before(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return scope_differs_at(s, l, true);
}

/* Returns true for a rule above the stanza that sets Host to a fixed value that `acl tollgate`
 * does not contain. */
static bool
hides_scope(const struct judge *j, const struct haproxy_line *l)
{
	struct span value = haproxy_word(l, 3);
	bool read = false;

	if (l->negated || !haproxy_begins(l, "http-request", "set-header") ||
		!span_ieq(haproxy_word(l, 2), SPAN_LIT("host")) ||
		memmem(value.p, value.n, "%[", 2) ||
		condition_excludes(j->gate, l, GATED | NAMED) ||
		condition_requires(j->gate, l, INNER))
		return false;
	for (size_t i = 0; i < j->gate->n; i++) {
		const struct haproxy_line *acl = &j->gate->line[i];
		if (!is_scope(acl) ||
			!span_ieq(header_read(haproxy_word(acl, 2)), SPAN_LIT("host")))
			continue;
		read = true;
		for (size_t k = 3; k < acl->n; k++)
			if (span_ieq(acl->word[k], value))
				return false;
	}
	return read;
}

static void
judge_above(struct judge *j)
{
	const struct haproxy_line *begin = stanza_begins(j->gate), *l;
	struct haproxy_walk w = haproxy_walk(j->gate);

	while (begin && (l = haproxy_next(&w)))
		if (is_before(j->gate, l, begin) && hides_scope(j, l))
			found(j, l, NULL,
				"this rule above the stanza sets a Host that `acl tollgate` "
				"does not contain, so its requests bypass the gate and reach "
				"your own routes uninspected. Move the rule below the stanza");
}

/* In an older stanza each line evaluates the ACL again, so a change in between matters. */
void
rule_scope_changed(struct judge *j)
{
	const struct haproxy_line *l;

	if (!j->gate)
		return;
	judge_above(j);
	l = decided_once(j->gate) ? NULL : stanza_begins(j->gate);
	for (; l && l < j->gate->line + j->gate->n; l++)
		if (changes_scope(j->gate, l) && !find_matching(j->shipped_gate, l))
			found(j, l, NULL,
				"this rule changes what `acl tollgate` reads, and this older "
				"stanza evaluates the ACL again at each later line: denied "
				"requests can reach your own routes uninspected. Run "
				"`tollgate init --write`, which renews the stanza so that it "
				"decides once");
}

void
rule_stanza_older(struct judge *j)
{
	if (j->gate && j->shipped_gate == j->shipped_older)
		found(j, j->engine, NULL,
			"the stanza of %.*s is from an earlier version and evaluates `acl "
			"tollgate` at each line, so a rule in between can change the "
			"decision. Run `tollgate init --write`, which renews the stanza",
			SPAN_ARG(j->gate->name));
}

/* If a variable exceeds the limit, HAProxy does not set it and reports nothing. */
void
rule_variables_limit(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		for (size_t k = 0; k < j->h->section[i].n; k++) {
			const struct haproxy_line *l = &j->h->section[i].line[k];
			if (span_starts(l->word[0], SPAN_LIT("tune.vars.")) &&
				!span_is(haproxy_word(l, 1), "0"))
				found(j, l, NULL,
					"this limit drops variables without a message, and "
					"the gate's decision is in variables: requests could "
					"reach your own routes without a decision. Delete "
					"this line");
		}
}
