/* Analyzes the conditions of rules (configuration.txt 7.2): whether a condition excludes the
 * requests that pass the gate, and whether it can hold in the relay's second pass.
 *
 *   condition = ("if" | "unless") branch { ("or" | "||") branch }
 *   branch    = term { term }
 *   term      = [ "!" ] ( NAME | "{" words "}" )
 *
 * Rules of the response cannot read the request's Host header, so `acl tollgate` never matches
 * there. Such rules must test the stanza's variable or the verdict. */
#include <regex.h>
#include <stdio.h>

#include "base/codec/credentials.h"
#include "operator/edge/judge_private.h"

bool
condition_is_or(struct span word)
{
	return span_is(word, "or") || span_is(word, "||");
}

struct condition_term
condition_next(const struct haproxy_line *l, size_t *i)
{
	struct condition_term t = { .negated = false };
	struct span word = l->word[*i];

	if (span_is(word, "!") && *i + 1 < l->n) {
		t.negated = true;
		word = l->word[++*i];
	} else if (word.n > 1 && *word.p == '!') {
		t.negated = true;
		word = span_cut(word, 1, word.n);
	}
	t.from = ++*i;
	if (!span_is(word, "{")) {
		t.name = word;
		return t;
	}
	while (*i < l->n && !span_is(l->word[*i], "}"))
		++*i;
	t.to = *i;
	*i += *i < l->n;
	return t;
}

static bool
words_are(
	const struct haproxy_line *l, const struct condition_term *t, const char *const *words, size_t n)
{
	if (t->name.n || t->to - t->from != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!span_is(l->word[t->from + i], words[i]))
			return false;
	return true;
}

/* Returns true if the term refers to one of `what`: the stanza's variable or its ACL (GATED),
 * `acl tollgate` (NAMED), so_name of the inner bind or an ACL for it (INNER), or the existence
 * of a verdict (DECIDED). */
static bool
term_refers_to(const struct haproxy_section *s, const struct haproxy_line *l,
	const struct condition_term *t, unsigned what)
{
	static const char *const inner[] = { "so_name", "tollgate-inner" };
	static const char *const decided[] = { "var(txn.tollgate.via)", "-m", "found" };
	static const char *const gated[] = { "var(" GATED_VARIABLE ")", "-m", "bool" };
	bool is = false;

	if (what & DECIDED && words_are(l, t, decided, COUNT_OF(decided)))
		return true;
	if (what & GATED &&
		(span_is(t->name, GATED_ACL) || words_are(l, t, gated, COUNT_OF(gated))))
		return true;
	if (what & NAMED && span_is(t->name, "tollgate"))
		return true;
	if (!(what & INNER))
		return false;
	if (words_are(l, t, inner, COUNT_OF(inner)))
		return true;
	/* ACLs with the same name are alternatives, so all of them must test the inner bind */
	for (size_t i = 0; t->name.n && i < s->n; i++) {
		const struct haproxy_line *acl = &s->line[i];
		if (!span_is(acl->word[0], "acl") || !span_eq(haproxy_word(acl, 1), t->name))
			continue;
		if (acl->n != 4 || !span_is(acl->word[2], inner[0]) ||
			!span_is(acl->word[3], inner[1]))
			return false;
		is = true;
	}
	return is;
}

/* With `leave`, returns true if no branch can hold where one of `what` holds; without it, if
 * every branch requires one of `what`. For `unless`, a single-term branch is enough, because
 * any true branch stops the rule. */
static bool
holds_only(const struct haproxy_section *s, const struct haproxy_line *l, unsigned what,
	bool leave)
{
	size_t i = condition_at(l);
	bool unless, all = true;

	if (i >= l->n)
		return false;
	unless = span_is(l->word[i++], "unless");
	while (i < l->n) {
		size_t terms = 0;
		bool hit = false;
		for (; i < l->n && !condition_is_or(l->word[i]); terms++) {
			struct condition_term t = condition_next(l, &i);
			hit |= (t.negated != unless) == leave && term_refers_to(s, l, &t, what);
		}
		if (unless && hit && terms == 1)
			return true;
		all &= hit;
		i++; /* skip the "or" */
	}
	return !unless && all;
}

bool
condition_excludes(const struct haproxy_section *s, const struct haproxy_line *l, unsigned what)
{
	return holds_only(s, l, what, true);
}

bool
condition_requires(const struct haproxy_section *s, const struct haproxy_line *l, unsigned what)
{
	return holds_only(s, l, what, false);
}

/* Calls `each` for each criterion of a term: for the words in braces, or for each ACL of the
 * term's name. Returns true if `each` returned true for all of them, and false if one returned
 * false or no such ACL exists. */
static bool
each_criterion(const struct haproxy_section *s, const struct haproxy_line *l,
	const struct condition_term *t, bool (*each)(const struct haproxy_line *, size_t, size_t, void *),
	void *arg)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *acl;
	bool any = false;

	if (!t->name.n)
		return each(l, t->from, t->to, arg);
	while ((acl = haproxy_next(&w)))
		if (span_is(acl->word[0], "acl") && span_eq(haproxy_word(acl, 1), t->name)) {
			any = true;
			if (!each(acl, 2, acl->n, arg))
				return false;
		}
	return any;
}

static bool
is_acme(const struct haproxy_line *l, size_t from, size_t to, void *arg)
{
	static const char *const fetches[] = { "path", "path_beg" };
	size_t i = from + 1;

	(void)arg;
	while (i < to && *l->word[i].p == '-')
		i += 1 + span_is(l->word[i], "-m");
	if (from >= to || i >= to || !SPAN_IN(l->word[from], fetches))
		return false;
	for (; i < to; i++)
		if (!span_starts(l->word[i], SPAN_LIT("/.well-known/acme-challenge")))
			return false;
	return true;
}

bool
excludes_only_acme(const struct haproxy_section *s, const struct haproxy_line *l, bool tls)
{
	static const char *const by_tls[] = { "ssl_fc" };
	size_t i = condition_at(l);
	bool unless, named = false;

	if (i >= l->n)
		return false;
	unless = span_is(l->word[i++], "unless");
	while (i < l->n) {
		size_t terms = 0;
		if (condition_is_or(l->word[i])) {
			if (!unless)
				return false;
			i++;
		}
		for (; i < l->n && !condition_is_or(l->word[i]); terms++) {
			struct condition_term t = condition_next(l, &i);
			bool ssl = words_are(l, &t, by_tls, 1);
			if (t.negated == unless || (unless && terms) ||
				!(ssl ? tls : each_criterion(s, l, &t, is_acme, NULL)))
				return false;
			named |= ssl;
		}
	}
	return named == tls;
}

struct hosts_named {
	struct span *host;
	size_t n, most;
	bool all;
};

static bool
add_hosts(const struct haproxy_line *l, size_t from, size_t to, void *arg)
{
	struct hosts_named *h = arg;
	size_t i = from + 1;

	if (from >= to || !memmem(l->word[from].p, l->word[from].n, "hdr(host)", 9) ||
		memmem(l->word[from].p, l->word[from].n, ",map", 4))
		return false;
	for (; i < to && *l->word[i].p == '-' && !span_is(l->word[i], "--"); i++) {
		if (span_is(l->word[i], "-i"))
			continue;
		if (!span_is(l->word[i], "-m") || ++i >= to || !span_is(l->word[i], "str"))
			return false; /* a file or a pattern: the hosts are unknown */
	}
	for (; i < to; i++)
		if (h->n < h->most)
			h->host[h->n++] = l->word[i];
		else
			h->all = false;
	return true;
}

size_t
hosts_of_condition(const struct haproxy_section *s, const struct haproxy_line *l,
	struct span *host, size_t most, bool *all)
{
	struct hosts_named h = { .host = host, .most = most, .all = true };
	size_t i = condition_at(l);
	bool unless = i < l->n && span_is(l->word[i], "unless");

	*all = false;
	if (i >= l->n || unless)
		return 0;
	for (i++; i < l->n; i++) { /* each iteration is one branch; i++ skips the "or" */
		bool named = false;
		while (i < l->n && !condition_is_or(l->word[i])) {
			struct condition_term t = condition_next(l, &i);
			size_t before = h.n;
			if (!t.negated && !named && each_criterion(s, l, &t, add_hosts, &h))
				named = true;
			else if (!named)
				h.n = before;
		}
		h.all &= named;
	}
	*all = h.all;
	return h.n;
}

/* After the stanza's first line the variable is set, so its ACL counts. `acl tollgate` counts
 * as well, until a rule changes what it reads. Before that line only `acl tollgate` counts. */
bool
excludes_the_gate(const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_line *once = decided_once(s);
	bool above = once && span_is(l->word[0], "http-request") && is_before(s, l, once);
	unsigned gated = once && !above ? GATED : 0;

	if (!condition_excludes(s, l, gated | NAMED))
		return false;
	return above || (gated && condition_excludes(s, l, gated)) ||
	       !scope_changed_before(s, l);
}

/* ---- conditions in the relay's second pass ---- */

/* The value of a condition in the second pass: NO and YES hold for each request; OPEN depends
 * on the request. */
enum truth { NO, YES, OPEN };
struct on_inner {
	enum truth is;
	bool differs; /* the value depends on something that differs between the passes */
};
/* levels of variables and ACLs that read others; deeper ones are OPEN */
enum { VARIABLES_DEPTH = 4 };

/* The place where a condition is evaluated: the section and the line. */
struct asked {
	const struct judge *j;
	const struct haproxy_section *s;
	const struct haproxy_line *at;
	unsigned depth;
};

static struct on_inner condition_inner(struct asked a, const struct haproxy_line *l);
static struct on_inner criterion_inner(
	struct asked a, const struct haproxy_line *l, size_t from, size_t to);

/* Values of fetches in the second pass, which arrives over a Unix socket with HTTP/1.1, without
 * TLS and without the credentials that the first pass deleted. NULL: the fetch has no value, so
 * no pattern matches. A trailing * matches any rest of the name. */
static const struct {
	const char *fetch, *value;
} inner_fetches[] = { { "ssl_fc", "0" }, { "ssl_*", NULL }, { "req.ssl_*", NULL },
	{ "req_ssl_*", NULL }, { "fc_http_major", "1" }, { "fc_rcvd_proxy", "0" },
	{ "fc_*", NULL }, { "so_name", "tollgate-inner" }, { "dst", NULL },
	{ "dst_port", NULL }, { "dst_is_local", "0" }, { "src_port", NULL },
	{ "http_auth*", NULL }, { "cook*", NULL }, { "req.cook*", NULL }, { "req.ver", "1.1" },
	{ "req_ver", "1.1" } };
/* ACLs that HAProxy predefines (configuration.txt 7.4). */
static const struct {
	const char *name;
	enum truth is;
} inner_acls[] = { { "HTTP_1.0", NO }, { "HTTP_1.1", YES }, { "HTTP_2.0", NO },
	{ "HTTP_3.0", NO } };

/* Returns true if the stanza deletes this header in the first pass. */
static bool
is_taken(const struct judge *j, struct span header)
{
	bool taken = false;
	char name[256];
	regex_t re;

	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(header));
	for (size_t i = 0; i < j->shipped_stanza->n && !taken; i++) {
		const struct haproxy_line *l = &j->shipped_stanza->line[i];
		if (!haproxy_begins(l, "http-request", "del-header") ||
			!span_starts(l->word[2], SPAN_LIT(CREDENTIAL_BEGINS "(")) ||
			regcomp(&re, l->word[2].p, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
			continue;
		taken = regexec(&re, name, 0, NULL, 0) == 0;
		regfree(&re);
	}
	return taken;
}

/* Returns true if the client's address is set before this rule, as the stanza does for the
 * second pass. */
static bool
src_is_set(struct asked a)
{
	bool request = span_is(a.at->word[0], "http-request");

	if (a.s != a.j->inner) /* a backend: its rules run after those of the inner frontend */
		return !span_is(a.at->word[0], "tcp-request");

	for (size_t i = 0; i < a.s->n && !span_is(a.at->word[0], "tcp-request"); i++)
		if (haproxy_begins(&a.s->line[i], "http-request", "set-src") &&
			(!request || is_before(a.s, &a.s->line[i], a.at)))
			return true;
	return false;
}

/* Determines a variable's value in the second pass. The result is NO if every rule that sets
 * the variable does not run there or has no value there. */
static struct on_inner
variable_inner(struct asked a, struct span name)
{
	const struct haproxy_section *const way[] = { a.s != a.j->inner ? a.j->inner : NULL,
		a.s };
	struct on_inner v = { OPEN, false };
	bool set = false, written = false;

	if (span_is(name, GATED_VARIABLE) || (span_starts(name, SPAN_LIT("txn.tollgate.")) &&
						     !span_is(name, "txn.tollgate.backend") &&
						     !span_is(name, "txn.tollgate.id")))
		return (struct on_inner){ NO, true };
	for (size_t k = 0; k < COUNT_OF(way); k++)
		for (size_t i = 0; way[k] && i < way[k]->n && a.depth < VARIABLES_DEPTH; i++) {
			const struct haproxy_line *l = &way[k]->line[i];
			struct asked there = { a.j, way[k], l, a.depth + 1 };
			struct on_inner runs, value = { OPEN, false };
			if (!haproxy_writes(l, name))
				continue;
			written = true;
			runs = condition_inner(there, l);
			if (runs.is != NO && l->n > 2)
				value = criterion_inner(there, l, 2, 3);
			set |= runs.is != NO && value.is != NO;
			v.differs |= runs.differs || value.differs;
		}
	/* The variable may be set only in the first pass, by that pass' frontend. */
	for (size_t i = 0; i < a.j->h->n && !written; i++) {
		const struct haproxy_section *s = &a.j->h->section[i];
		for (size_t k = 0; k < s->n && engine_of(s) && s != a.j->inner; k++)
			v.differs |= haproxy_writes(&s->line[k], name);
	}
	if (v.differs && !set)
		v.is = NO;
	return v;
}

/* Compares `value` with the flags and patterns of a term, which begin at word i. */
static enum truth
patterns_fit(const struct haproxy_line *l, size_t i, size_t to, const char *value)
{
	struct span method = { "", 0 }, v = span_str(value);

	for (; i < to && l->word[i].n > 1 && *l->word[i].p == '-'; i++) {
		if (span_is(l->word[i], "-m") && i + 1 < to)
			method = l->word[++i];
		else if (!span_is(l->word[i], "-i") && !span_is(l->word[i], "--"))
			return OPEN;
	}
	if (span_is(method, "found"))
		return YES;
	if (i >= to || span_is(method, "bool"))
		return span_is(v, "0") ? NO : YES;
	for (; i < to; i++) {
		struct span p = l->word[i];
		bool fits = span_is(method, "beg")   ? span_starts(v, p)
			    : span_is(method, "end") ? span_ends(v, p)
			    : span_is(method, "sub") ? memmem(v.p, v.n, p.p, p.n) != NULL
						     : span_ieq(v, p);
		if (fits || (span_is(v, "0") && span_is(p, "false")))
			return YES;
		if (method.n == 3 ? *method.p == 'r' || *method.p == 'd' || *method.p == 'l'
				  : p.n == 2 && i + 1 < to)
			/* methods reg, dir and len, and comparisons such as `gt 1`, are not
			 * evaluated */
			return OPEN;
	}
	return NO;
}

/* Evaluates a criterion: the fetch with its arguments and converters in word `from`, and the
 * patterns after it. Example: with `ssl_fc,not`, the fetch has the value "0" in the second
 * pass, the converter makes it "1", and the result is YES. */
static struct on_inner
criterion_inner(struct asked a, const struct haproxy_line *l, size_t from, size_t to)
{
	struct span all = from < to ? l->word[from] : span_of("", 0);
	size_t n = 0, end;
	const char *value = NULL;
	bool known = false;

	while (n < all.n && all.p[n] != '(' && all.p[n] != ',')
		n++;
	struct span fetch = span_cut(all, 0, n), rest = span_cut(all, n, all.n), argument;
	end = rest.n && *rest.p == '(' ? span_chr(rest, ')') : 0;
	argument = end ? span_cut(rest, 1, end) : span_of("", 0);
	for (size_t i = 0; i < COUNT_OF(inner_fetches) && !known; i++) {
		struct span row = span_str(inner_fetches[i].fetch);
		known = span_ends(row, SPAN_LIT("*"))
				? span_starts(fetch, span_cut(row, 0, row.n - 1))
				: span_eq(fetch, row);
		value = inner_fetches[i].value;
	}
	if (!known && span_starts(fetch, SPAN_LIT("src"))) {
		known = !src_is_set(a);
		value = NULL;
	} else if (!known && span_is(fetch, "so_id")) {
		known = true;
		value = last_value(a.j->inner_bind, "id").p;
		value = *value ? value : NULL;
	} else if (!known && span_is(fetch, "var")) {
		struct span name = span_cut(argument, 0, span_chr(argument, ','));
		struct on_inner v = variable_inner(a, name);
		if (v.is == OPEN || name.n < argument.n)
			return (struct on_inner){ OPEN, v.differs };
		known = v.differs;
		value = NULL;
	} else if (!known && (span_starts(fetch, SPAN_LIT("req.hdr")) ||
				     span_starts(fetch, SPAN_LIT("req.fhdr")) ||
				     span_starts(fetch, SPAN_LIT("hdr")))) {
		known = !span_ends(fetch, SPAN_LIT("_cnt")) &&
			is_taken(a.j, span_cut(argument, 0, span_chr(argument, ',')));
		value = NULL;
	}
	if (!known)
		return (struct on_inner){ OPEN, false };
	rest = span_cut(rest, end ? end + 1 : 0, rest.n);
	if (!value)
		return (struct on_inner){
			rest.n && memmem(rest.p, rest.n, ",default(", 9) ? OPEN : NO, true
		};
	if (span_is(rest, ",not"))
		value = span_is(span_str(value), "0") ? "1" : "0";
	else if (rest.n)
		return (struct on_inner){ OPEN, true };
	return (struct on_inner){ patterns_fit(l, from + 1, to, value), true };
}

/* Evaluates a named ACL. `acl tollgate` selects what passes, and the second pass consists of
 * requests that passed. So `acl tollgate` holds there too, if it reads nothing that differs and
 * no rule changes what it reads. */
static struct on_inner
name_inner(struct asked a, struct span name)
{
	struct on_inner is = { OPEN, false };
	struct haproxy_walk w = haproxy_walk(a.s);
	const struct haproxy_line *acl;
	bool here = false;

	for (size_t i = 0; i < COUNT_OF(inner_acls); i++)
		if (span_is(name, inner_acls[i].name))
			return (struct on_inner){ inner_acls[i].is, true };
	if (span_is(name, "LOCALHOST") && !src_is_set(a))
		return (struct on_inner){ NO, true };
	if (a.depth++ >= VARIABLES_DEPTH)
		return is;
	while ((acl = haproxy_next(&w))) {
		struct on_inner one;
		if (!span_is(acl->word[0], "acl") || !span_eq(haproxy_word(acl, 1), name))
			continue;
		one = criterion_inner(a, acl, 2, acl->n);
		is.is = !here || one.is == YES	       ? one.is
			: is.is == YES || one.is == NO ? is.is
						       : OPEN;
		is.differs |= one.differs;
		here = true;
	}
	if (span_is(name, "tollgate") && is.is == OPEN && !is.differs &&
		!scope_changed_before(a.s, a.s->head))
		is.is = YES;
	if (!here && (span_is(name, "TRUE") || span_is(name, "FALSE")))
		is.is = span_is(name, "TRUE") ? YES : NO;
	return is;
}

static enum truth
negated_truth(enum truth t)
{
	return t == OPEN ? OPEN : t == YES ? NO : YES;
}

/* Evaluates a line's condition. `differs` is true if a term that differs between the passes is
 * the reason why the condition may hold; or, if the condition does not hold, if it has such a
 * term at all. */
static struct on_inner
condition_inner(struct asked a, const struct haproxy_line *l)
{
	size_t i = condition_at(l);
	bool unless, differs = false, why = false;
	enum truth all = NO;

	if (i >= l->n)
		return (struct on_inner){ YES, false };
	unless = span_is(l->word[i++], "unless");
	for (; i < l->n; i++) { /* each iteration is one branch; i++ skips the "or" */
		enum truth branch = YES;
		bool by = false;
		while (i < l->n && !condition_is_or(l->word[i])) {
			struct condition_term t = condition_next(l, &i);
			struct on_inner is = t.name.n ? name_inner(a, t.name)
						      : criterion_inner(a, l, t.from, t.to);
			is.is = t.negated ? negated_truth(is.is) : is.is;
			branch = is.is == NO || branch == NO ? NO
				 : is.is == OPEN	     ? OPEN
							     : branch;
			differs |= is.differs;
			by |= is.differs && is.is != (unless ? YES : NO);
		}
		why |= by && (unless || branch != NO);
		all = branch == YES || all == YES ? YES : branch == OPEN ? OPEN : all;
	}
	all = unless ? negated_truth(all) : all;
	return (struct on_inner){ all, all == NO ? differs : why };
}

bool
runs_on_inner(const struct judge *j, const struct haproxy_section *s,
	const struct haproxy_line *l, bool *differs)
{
	struct on_inner is = condition_inner((struct asked){ j, s, l, 0 }, l);

	*differs = is.differs;
	return is.is != NO;
}

bool
is_before_set_src(
	const struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l)
{
	return !src_is_set((struct asked){ j, s, l, 0 });
}

bool
always_on_inner(
	const struct judge *j, const struct haproxy_section *s, const struct haproxy_line *l)
{
	return condition_inner((struct asked){ j, s, l, 0 }, l).is == YES;
}
