/* Evaluates an operator's routing for `tollgate init`: to which backend the use_backend rules of
 * a frontend send a request, as far as they read host and path alone.
 *
 * The paths that the rules name divide the requests of a host into kinds: each whole path, each
 * beginning of a path without the longer ones in it, each end, and all others. One path stands
 * for each kind, so that every rule is true or false for the whole kind; FILLER in it stands for
 * any text. A rule that reads anything else (an address, a cookie, a variable of Lua) is unknown.
 * It is reported, unless it leads where the rules below it lead anyway. */
#include <regex.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/among.h"
#include "base/scoped.h"
#include "operator/edge/credential.h"
#include "operator/edge/judge_private.h"
#include "operator/edge/lay.h"
#include "scan/dialect/dialect.h"

/* Paths of the usual requests to models, also the first lines of the table. */
static const char *const usual_paths[] = { "/v1/chat/completions", "/v1/responses",
	"/v1/embeddings", "/v1/messages", "/v1/models" };

#define FILLER "\x7f"
enum { LAY_DEPTH = 4, LAY_FILE_BYTES = 4 << 20 };
enum fits { FITS_NOT, FITS, FITS_UNKNOWN };

/* The request for which rules are evaluated. */
struct sent {
	struct lay *l;
	const struct haproxy_section *s;
	struct span host; /* begins with FILLER for *.name */
	struct span path;
	bool any_path; /* the path is unknown */
	unsigned depth;
};

/* ---- values ---- */

static struct span
lower_copy(struct arena *a, struct span s)
{
	struct span copy = arena_dup(a, s);

	ascii_lower((char *)copy.p, copy.n);
	return copy;
}

/* Cuts the next element of "fetch(a,b),converter(c)" with its arguments. */
static struct span
next_condition(struct span *rest)
{
	size_t n = 0, open = 0;

	while (n < rest->n && (rest->p[n] != ',' || open)) {
		open += rest->p[n] == '(';
		open -= rest->p[n] == ')' && open;
		n++;
	}
	struct span e = span_cut(*rest, 0, n);
	*rest = span_cut(*rest, n + (n < rest->n), rest->n);
	return e;
}

/* Splits "name(arguments)". */
static struct span
element_name(struct span e, struct span *arguments)
{
	size_t n = span_chr(e, '(');

	*arguments = n < e.n ? span_cut(e, n + 1, e.n - 1) : span_of("", 0);
	return span_cut(e, 0, n);
}

/* Returns the frontend's rule that alone sets the variable, without a condition, or NULL. */
static const struct haproxy_line *
only_writer(const struct haproxy_section *s, struct span name)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *only = NULL;
	size_t n = 0;

	while ((l = haproxy_next(&w)))
		if (haproxy_writes(l, name)) {
			only = l;
			n++;
		}
	return n == 1 && !only->maybe && span_is(only->word[0], "http-request") &&
			       span_starts(haproxy_word(only, 1), SPAN_LIT("set-var(")) &&
			       only->n == 3
		       ? only
		       : NULL;
}

static bool sample_value(
	struct sent *a, struct span expression, struct span *value, struct span *method);

/* Reads a fetch of host or path. An ACL's form such as hdr_beg(host) sets *method. */
static bool
fetch_value(struct sent *a, struct span element, struct span *value, struct span *method)
{
	static const char *const fetches[] = { "req.fhdr", "req.hdr", "hdr", "path", "base", "var" };
	struct span argument, name = element_name(element, &argument);
	const struct haproxy_line *l;

	for (size_t i = 0; i < COUNT_OF(fetches); i++) {
		struct span f = span_str(fetches[i]), rest;
		if (!span_starts(name, f))
			continue;
		rest = span_cut(name, f.n, name.n);
		if (rest.n && (*rest.p != '_' || rest.n != 4))
			return false;
		if (rest.n)
			*method = span_cut(rest, 1, rest.n);
		if (i < 3) {
			*value = a->host;
			return span_ieq(argument, SPAN_LIT("host"));
		}
		if (i == 5) {
			l = a->depth < LAY_DEPTH ? only_writer(a->s, argument) : NULL;
			a->depth++;
			return l && sample_value(a, haproxy_word(l, 2), value, method);
		}
		if (a->any_path)
			return false;
		*value = i == 3 ? a->path
				: arena_printf(a->l->arena, "%.*s%.*s", SPAN_ARG(a->host),
					  SPAN_ARG(a->path));
		return true;
	}
	return false;
}

static bool
lay_ends_at(struct span s, struct span pattern, size_t at)
{
	return at + pattern.n == s.n || s.p[at + pattern.n] == '.';
}

/* Compares a value with one pattern by HAProxy's method (configuration.txt 7.1.3). */
static enum fits
fits_pattern(struct sent *a, struct span v, struct span p, struct span method)
{
	bool filler = memchr(v.p, *FILLER, v.n) != NULL, match;
	char text[1024], pattern[1024];
	regex_t re;

	if (!method.n || span_is(method, "str"))
		return span_eq(v, p) ? FITS : FITS_NOT;
	if (span_is(method, "beg"))
		return span_starts(v, p) ? FITS : FITS_NOT;
	if (span_is(method, "end"))
		return span_ends(v, p) ? FITS : FITS_NOT;
	/* the other methods look at the middle, which is unknown for a kind of paths */
	if (filler || !(span_is(method, "sub") || span_is(method, "dom") || span_is(method, "reg")))
		return FITS_UNKNOWN;
	if (span_is(method, "reg")) {
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(v));
		snprintf(pattern, sizeof(pattern), "%.*s", SPAN_ARG(p));
		if (v.n >= sizeof(text) || p.n >= sizeof(pattern) ||
			regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
			return FITS_UNKNOWN;
		match = regexec(&re, text, 0, NULL, 0) == 0;
		regfree(&re);
		return match ? FITS : FITS_NOT;
	}
	(void)a;
	for (size_t i = 0; i + p.n <= v.n; i++)
		if (span_eq(span_cut(v, i, i + p.n), p) &&
			(span_is(method, "sub") ||
				((i == 0 || v.p[i - 1] == '.') && lay_ends_at(v, p, i))))
			return FITS;
	return FITS_NOT;
}

/* Returns true if `s` names a host below the *.name that stands for the request's host. */
static bool
below_wildcard(const struct sent *a, struct span value, struct span s)
{
	return value.n && *value.p == *FILLER && value.p != a->path.p &&
	       span_ends(s, span_cut(value, 1, value.n));
}

/* Looks a value up in a map: the first key that fits, or for beginnings the longest one, as
 * HAProxy does. Returns false if the result is unknown. */
static bool
map_value(struct sent *a, struct span kind, struct span arguments, struct span key,
	struct span *value)
{
	struct span file = next_condition(&arguments), found_key = { NULL, 0 };
	struct span method = span_is(kind, "map") ? SPAN_LIT("str") : span_cut(kind, 4, kind.n);
	char path[MAP_FILE_BYTES];

	if (method.n != 3 || file.n >= sizeof(path))
		return false;
	snprintf(path, sizeof(path), "%.*s", SPAN_ARG(file));
	SCOPED_BUF(text, LAY_FILE_BYTES);
	if (!buf_file(&text, path))
		return false;
	*value = arguments;
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r"), k;
		size_t n = 0;
		while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
			n++;
		k = span_cut(line, 0, n);
		if (!k.n || *k.p == '#')
			continue;
		if (span_is(method, "str") && below_wildcard(a, key, k))
			return false;
		enum fits f = fits_pattern(a, key, k, method);
		if (f == FITS_UNKNOWN)
			return false;
		if (f == FITS && (!found_key.p || (span_is(method, "beg") && k.n > found_key.n))) {
			found_key = k;
			*value = arena_dup(
				a->l->arena, span_trim(span_cut(line, n, line.n), " \t"));
		}
	}
	return found_key.p || value->n;
}

/* Evaluates a sample expression of host and path. */
static bool
sample_value(struct sent *a, struct span expression, struct span *value, struct span *method)
{
	if (!fetch_value(a, next_condition(&expression), value, method))
		return false;
	while (expression.n) {
		struct span arguments, name = element_name(next_condition(&expression), &arguments);
		bool host = value->p == a->host.p;
		if (span_is(name, "lower")) {
			struct span low = lower_copy(a->l->arena, *value);
			if (host)
				a->host = low;
			*value = low;
		} else if (span_starts(name, SPAN_LIT("map"))) {
			if (!map_value(a, name, arguments, *value, value))
				return false;
		} else if (!host || !(span_is(name, "host_only") || span_is(name, "rtrim") ||
					    ((span_is(name, "field") || span_is(name, "word")) &&
						    (span_is(arguments, "1,:") ||
							    span_is(arguments, "1,':'"))))) {
			return false; /* the host has no port and no trailing dot here */
		}
	}
	return true;
}

/* ---- conditions ---- */

/* Calls each() for the patterns of a criterion, from words and from the file of -f. Returns
 * false if they are unknown. */
static bool
each_pattern(const struct haproxy_line *l, size_t i, size_t to, bool *nocase, struct span *method,
	bool (*each)(void *arg, struct span pattern), void *arg)
{
	struct span file = { NULL, 0 };

	for (; i < to && l->word[i].n > 1 && *l->word[i].p == '-'; i++) {
		if (span_is(l->word[i], "--")) {
			i++;
			break;
		}
		if (span_is(l->word[i], "-i"))
			*nocase = true;
		else if (span_is(l->word[i], "-m") && i + 1 < to)
			*method = l->word[++i];
		else if (span_is(l->word[i], "-f") && i + 1 < to && !file.p)
			file = l->word[++i];
		else
			return false;
	}
	for (; i < to; i++)
		if (!each(arg, l->word[i]))
			return true;
	if (!file.p)
		return true;
	SCOPED_BUF(text, LAY_FILE_BYTES);
	if (!buf_file(&text, file.p))
		return false;
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (line.n && *line.p != '#' && !each(arg, line))
			return true;
	}
	return true;
}

struct fitting {
	struct sent *a;
	struct span value;
	struct span *method;
	bool *nocase;
	enum fits is;
};

static bool
try_pattern(void *arg, struct span pattern)
{
	struct fitting *f = arg;
	struct span v = f->value;

	if (*f->nocase) {
		pattern = lower_copy(f->a->l->arena, pattern);
		v = lower_copy(f->a->l->arena, v);
	}
	if ((!f->method->n || span_is(*f->method, "str")) &&
		below_wildcard(f->a, f->value, pattern)) {
		f->is = FITS_UNKNOWN;
		return true;
	}
	enum fits is = fits_pattern(f->a, v, pattern, *f->method);
	if (is != FITS_NOT)
		f->is = is;
	return f->is != FITS;
}

static enum fits
criterion_fits(struct sent *a, const struct haproxy_line *l, size_t from, size_t to)
{
	struct sent own = *a;
	struct span value = { NULL, 0 }, method = { NULL, 0 };
	bool nocase = false;

	if (from >= to || !sample_value(&own, l->word[from], &value, &method))
		return FITS_UNKNOWN;
	struct fitting f = { a, value, &method, &nocase, FITS_NOT };
	if (!each_pattern(l, from + 1, to, &nocase, &method, try_pattern, &f))
		return FITS_UNKNOWN;
	return span_is(method, "found") ? FITS : f.is;
}

static enum fits
not_fits(enum fits f)
{
	return f == FITS_UNKNOWN ? f : f == FITS ? FITS_NOT : FITS;
}

static enum fits
term_fits(struct sent *a, const struct haproxy_line *l, const struct condition_term *t)
{
	struct haproxy_walk w = haproxy_walk(a->s);
	const struct haproxy_line *acl;
	enum fits is = FITS_NOT;
	bool any = false;

	if (!t->name.n)
		return criterion_fits(a, l, t->from, t->to);
	while ((acl = haproxy_next(&w)))
		if (span_is(acl->word[0], "acl") && span_eq(haproxy_word(acl, 1), t->name)) {
			enum fits one = acl->maybe ? FITS_UNKNOWN
						   : criterion_fits(a, acl, 2, acl->n);
			any = true;
			is = one == FITS || is == FITS ? FITS
			     : one == FITS_NOT	       ? is
						       : FITS_UNKNOWN;
		}
	if (!any)
		is = span_is(t->name, "TRUE") || span_is(t->name, "HTTP") ? FITS
		     : span_is(t->name, "FALSE")				  ? FITS_NOT
										  : FITS_UNKNOWN;
	return is;
}

static enum fits
rule_fits(struct sent *a, const struct haproxy_line *l)
{
	size_t i = condition_at(l);
	enum fits all = FITS_NOT;

	if (l->maybe)
		return FITS_UNKNOWN;
	if (i >= l->n)
		return FITS;
	bool unless = span_is(l->word[i++], "unless");
	for (; i < l->n; i++) { /* each iteration is one branch; i++ skips the "or" */
		enum fits branch = FITS;
		while (i < l->n && !condition_is_or(l->word[i])) {
			struct condition_term t = condition_next(l, &i);
			enum fits is = term_fits(a, l, &t);
			is = t.negated ? not_fits(is) : is;
			branch = is == FITS_NOT || branch == FITS_NOT ? FITS_NOT
				 : is == FITS_UNKNOWN		      ? is
								      : branch;
		}
		all = branch == FITS || all == FITS ? FITS : branch == FITS_NOT ? all : branch;
	}
	return unless ? not_fits(all) : all;
}

/* ---- rules ---- */

/* Finds the backend that a rule names, also by %[EXPRESSION]. *known is false if the name cannot
 * be computed. */
static const struct haproxy_section *
named_backend(struct sent *a, const struct haproxy *h, const struct haproxy_line *l, bool *known)
{
	struct span to = haproxy_word(l, 1), value = to, method = { NULL, 0 };
	struct sent own = *a;

	*known = true;
	if (memmem(to.p, to.n, "%[", 2)) {
		*known = span_starts(to, SPAN_LIT("%[")) && to.p[to.n - 1] == ']' &&
			 sample_value(&own, span_cut(to, 2, to.n - 1), &value, &method) &&
			 !method.n;
		if (!*known)
			return NULL;
	}
	return backend_named(h, value);
}

static bool
is_use_backend(const struct haproxy_line *l)
{
	return !l->negated && span_is(l->word[0], "use_backend") && !line_holds(l, "tollgate");
}

static void
add_unsure(struct lay *l, const struct haproxy_line *line)
{
	for (size_t i = 0; i < l->nunsure; i++)
		if (l->unsure[i] == line)
			return;
	if (l->nunsure < LAY_UNSURE_MAX)
		l->unsure[l->nunsure++] = line;
}

/* Returns the backend for the request. Unknown rules are skipped, and reported if `reports` is
 * set and they would lead elsewhere. */
static const struct haproxy_section *
sent_to(struct sent *a, const struct haproxy *h, bool reports, const struct haproxy_line **by)
{
	const struct haproxy_line *l, *unknown[LAY_UNSURE_MAX];
	struct haproxy_walk w = haproxy_walk(a->s);
	const struct haproxy_section *back = NULL, *to;
	size_t n = 0;
	bool known;

	*by = NULL;
	while (!back && (l = haproxy_next(&w))) {
		if (!is_use_backend(l))
			continue;
		enum fits is = rule_fits(a, l);
		if (is == FITS_NOT)
			continue;
		to = named_backend(a, h, l, &known);
		if (is == FITS && known && to) {
			back = to;
			*by = l;
		} else if ((is == FITS_UNKNOWN || !known) && n < COUNT_OF(unknown)) {
			unknown[n++] = l;
		}
	}
	if (!back && (l = haproxy_last(a->s, "default_backend", NULL))) {
		back = backend_named(h, haproxy_word(l, 1));
		*by = l;
	}
	for (size_t i = 0; reports && i < n; i++) {
		to = named_backend(a, h, unknown[i], &known);
		if (!known || to != back)
			add_unsure(a->l, unknown[i]);
	}
	return back;
}

static struct span
host_value(struct lay *l, const char *host)
{
	return *host == '*' ? arena_printf(l->arena, FILLER "%s", host + 1)
			    : lower_copy(l->arena, span_str(host));
}

/* Returns true if the frontend gets the stanza, or has it. */
static bool
routes_here(const struct lay *l, size_t i)
{
	return !answers_all(l->front[i]);
}

const struct haproxy_section *
lay_sent_to(struct lay *l, const struct haproxy *h, const char *host, struct span path,
	const struct haproxy_line **by)
{
	const struct haproxy_section *back = NULL;

	*by = NULL;
	for (size_t i = 0; i < l->nfront; i++) {
		struct sent a = { .l = l,
			.s = l->front[i],
			.host = host_value(l, host),
			.path = path.n ? path : SPAN_LIT(FILLER) };
		const struct haproxy_line *rule;
		const struct haproxy_section *to =
			routes_here(l, i) ? sent_to(&a, h, false, &rule) : NULL;
		/* a rule of one frontend is preferred to the default_backend of another */
		if (to && (!back || (!is_use_backend(*by) && is_use_backend(rule)))) {
			back = to;
			*by = rule;
		}
	}
	return back;
}

bool
lay_reads_path(struct lay *l, const struct haproxy *h, const char *host,
	const struct haproxy_line *by)
{
	for (size_t i = 0; i < l->nfront; i++)
		if (by >= l->front[i]->line && by < l->front[i]->line + l->front[i]->n) {
			struct sent a = { .l = l,
				.s = l->front[i],
				.host = host_value(l, host),
				.any_path = true };
			bool known;
			if (rule_fits(&a, by) != FITS)
				return true;
			named_backend(&a, h, by, &known);
			return !known;
		}
	return false;
}

/* ---- the kinds of requests ---- */

/* The paths that rules name: whole ones, beginnings and ends. */
struct paths {
	struct arena *arena;
	struct span host;
	struct span method; /* of the patterns that are added */
	bool nocase, base, full;
	struct span whole[LAY_PATHS_MAX], begin[LAY_PATHS_MAX], end[LAY_ENDS_MAX];
	size_t nwhole, nbegin, nend;
};

static void
add_path(struct paths *p, struct span *list, size_t *n, size_t most, struct span path)
{
	for (size_t i = 0; i < *n; i++)
		if (span_eq(list[i], path))
			return;
	if (*n == most)
		p->full = true;
	else
		list[(*n)++] = arena_dup(p->arena, path);
}

static bool
take_path(void *arg, struct span pattern)
{
	struct paths *p = arg;
	struct span m = p->method;

	if (p->base) {
		if (!span_starts(pattern, p->host))
			return true;
		pattern = span_cut(pattern, p->host.n, pattern.n);
	}
	if (!pattern.n)
		return true;
	if (!m.n || span_is(m, "str"))
		add_path(p, p->whole, &p->nwhole, LAY_PATHS_MAX, pattern);
	else if (span_is(m, "beg"))
		add_path(p, p->begin, &p->nbegin, LAY_PATHS_MAX, pattern);
	else if (span_is(m, "end"))
		add_path(p, p->end, &p->nend, LAY_ENDS_MAX, pattern);
	else if (!span_is(m, "found"))
		p->full = true;
	return true;
}

/* Adds the keys of a map in which a path is looked up. */
static void
read_map_file(struct paths *p, struct span name)
{
	char file[MAP_FILE_BYTES];
	const char *at = memmem(name.p, name.n, ",map", 4);

	if (!at || !map_file(name, file))
		return;
	p->method = at[4] == '_' ? span_of(at + 5, 3) : SPAN_LIT("str");
	SCOPED_BUF(text, LAY_FILE_BYTES);
	buf_file(&text, file);
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		size_t n = 0;
		while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
			n++;
		if (n && *line.p != '#')
			take_path(p, span_cut(line, 0, n));
	}
}

/* Adds the paths of a criterion or of a computed name. */
static void
take_expression(struct paths *p, const struct haproxy_section *s, const struct haproxy_line *l,
	size_t from, size_t to, unsigned depth)
{
	struct span word = l->word[from], rest = word, argument;

	if (span_starts(word, SPAN_LIT("%[")))
		rest = span_cut(word, 2, word.n - 1);
	struct span all = rest, name = element_name(next_condition(&rest), &argument);
	if (span_is(name, "var") && depth < LAY_DEPTH) {
		const struct haproxy_line *writer = only_writer(s, argument);
		if (writer)
			take_expression(p, s, writer, 2, 3, depth + 1);
		return;
	}
	p->base = span_starts(name, SPAN_LIT("base"));
	if (!p->base && !span_starts(name, SPAN_LIT("path")))
		return;
	read_map_file(p, all);
	if (memmem(all.p, all.n, ",map", 4))
		return;
	p->method = name.n == 8 ? span_cut(name, 5, name.n) : span_of("", 0);
	each_pattern(l, from + 1, to, &p->nocase, &p->method, take_path, p);
}

static void
take_paths(struct paths *p, struct sent *a)
{
	struct haproxy_walk w = haproxy_walk(a->s);
	const struct haproxy_line *l, *acl;

	while ((l = haproxy_next(&w))) {
		if (!is_use_backend(l) || rule_fits(a, l) == FITS_NOT)
			continue;
		take_expression(p, a->s, l, 1, 2, 0);
		for (size_t i = condition_at(l) + 1; i < l->n;) {
			if (condition_is_or(l->word[i])) {
				i++;
				continue;
			}
			struct condition_term t = condition_next(l, &i);
			if (!t.name.n && t.from < t.to)
				take_expression(p, a->s, l, t.from, t.to, 0);
			struct haproxy_walk v = haproxy_walk(a->s);
			while (t.name.n && (acl = haproxy_next(&v)))
				if (span_is(acl->word[0], "acl") && acl->n > 2 &&
					span_eq(haproxy_word(acl, 1), t.name))
					take_expression(p, a->s, acl, 2, acl->n, 0);
		}
		if (p->full && a->l->nfront)
			add_unsure(a->l, l);
		p->full = false;
	}
}

/* Returns true if each request of kind `b` is one of `a`. */
static bool
way_contains(const struct lay_way *a, const struct lay_way *b)
{
	return !a->exact && span_starts(b->path, a->path) &&
	       (b->exact ? span_ends(b->path, a->end)
			 : span_ends(b->end, a->end) &&
				   (b->path.n > a->path.n || b->end.n > a->end.n));
}

static bool
is_chosen_provider(const struct lay *l, const struct haproxy_section *s)
{
	return s && lay_is_chosen(l, s);
}

/* Evaluates one kind in each frontend. If two frontends send it elsewhere, the second rule is
 * reported, because the policy does not see the frontend. */
static void
add_way(struct lay *l, const struct haproxy *h, struct lay_way w, const char *host)
{
	struct lay_way *all =
		arena_grow(l->arena, l->way, l->nway, &l->way_room, sizeof(*all), 64);
	struct span path = w.exact ? w.path
				   : arena_printf(l->arena, "%.*s" FILLER "%.*s",
					     SPAN_ARG(w.path), SPAN_ARG(w.end));

	if (!all)
		return;
	for (size_t i = 0; i < l->nfront; i++) {
		const struct haproxy_line *by;
		struct sent a = {
			.l = l, .s = l->front[i], .host = host_value(l, host), .path = path
		};
		if (!routes_here(l, i))
			continue;
		const struct haproxy_section *back = sent_to(&a, h, true, &by);
		if (!w.back || (back && !is_use_backend(w.by) && is_use_backend(by))) {
			w.back = back;
			w.by = by;
		} else if (back && back != w.back && is_use_backend(by)) {
			add_unsure(l, by);
		}
	}
	w.host = host;
	w.open = w.back && !is_chosen_provider(l, w.back) && !credential_of(w.back);
	l->way = all;
	all[l->nway++] = w;
}

static void
ways_of_host(struct lay *l, const struct haproxy *h, const char *host)
{
	struct paths *p = arena_array(l->arena, 1, sizeof(*p));

	if (!p)
		return;
	*p = (struct paths){ .arena = l->arena, .host = host_value(l, host) };
	for (size_t i = 0; i < l->nfront; i++) {
		struct sent a = { .l = l, .s = l->front[i], .host = p->host, .any_path = true };
		if (routes_here(l, i))
			take_paths(p, &a);
	}
	add_way(l, h, (struct lay_way){ .exact = false }, host);
	for (size_t e = 0; e < p->nend; e++)
		add_way(l, h, (struct lay_way){ .end = p->end[e] }, host);
	for (size_t i = 0; i < p->nbegin; i++) {
		add_way(l, h, (struct lay_way){ .path = p->begin[i] }, host);
		for (size_t e = 0; e < p->nend; e++)
			add_way(l, h, (struct lay_way){ .path = p->begin[i], .end = p->end[e] },
				host);
	}
	for (size_t i = 0; i < p->nwhole; i++)
		add_way(l, h, (struct lay_way){ .path = p->whole[i], .exact = true }, host);
}

static bool
same_kind(const struct lay_way *a, const struct lay_way *b)
{
	return a->exact == b->exact && span_eq(a->path, b->path) && span_eq(a->end, b->end);
}

/* If all hosts have the same ways, only those of the first one are kept, for each host. */
static void
merge_hosts(struct lay *l)
{
	size_t n = l->nhost ? l->nway / l->nhost : 0;

	for (size_t i = 0; i < l->nway; i++)
		if (n * l->nhost != l->nway || !same_kind(&l->way[i], &l->way[i % n]) ||
			l->way[i].back != l->way[i % n].back)
			return;
	l->nway = n;
	for (size_t i = 0; i < n; i++)
		l->way[i].host = NULL;
}

/* Orders the kinds of each host: a kind stands above those that contain it, otherwise the order
 * is that of the deciding rules in the file. */
static void
sort_ways(struct lay *l)
{
	for (size_t i = 0; i < l->nway; i++) {
		size_t best = i;
		for (size_t k = i; k < l->nway; k++) {
			const struct lay_way *w = &l->way[k], *b = &l->way[best];
			bool last = false, best_last = false;
			for (size_t x = i; x < l->nway; x++) {
				last |= l->way[x].host == w->host && way_contains(w, &l->way[x]);
				best_last |= l->way[x].host == b->host &&
					     way_contains(b, &l->way[x]);
			}
			if (w->host == b->host && !last &&
				(best_last || (w->by && b->by && w->by->line < b->by->line)))
				best = k;
		}
		struct lay_way w = l->way[best];
		for (size_t k = best; k > i; k--)
			l->way[k] = l->way[k - 1];
		l->way[i] = w;
	}
}

/* Returns true if the rules treat this kind as every kind that contains it, by the same line. */
static bool
is_redundant(const struct lay *l, const struct lay_way *w)
{
	bool any = false;

	for (size_t i = 0; i < l->nway; i++) {
		const struct lay_way *k = &l->way[i];
		if (k->host != w->host || !way_contains(k, w))
			continue;
		if (k->back != w->back || k->by != w->by)
			return false;
		any = true;
	}
	return any;
}

static void
drop_redundant(struct lay *l)
{
	struct lay_way *kept = arena_array(l->arena, l->nway + 1, sizeof(*kept));
	size_t n = 0;

	for (size_t i = 0; kept && i < l->nway; i++)
		if (!is_redundant(l, &l->way[i]))
			kept[n++] = l->way[i];
	l->way = kept;
	l->way_room = n;
	l->nway = kept ? n : 0;
}

void
lay_find_ways(struct lay *l, const struct haproxy *h)
{
	bool any = false;

	for (size_t i = 0; i < l->nhost; i++)
		ways_of_host(l, h, l->host[i]);
	for (size_t i = 0; i < l->nway; i++)
		any |= l->way[i].back && (is_chosen_provider(l, l->way[i].back) ||
						credential_of(l->way[i].back));
	if (!any) {
		l->nway = 0;
		l->nunsure = 0;
		return;
	}
	drop_redundant(l);
	merge_hosts(l);
	sort_ways(l);
}

/* ---- paths outside the gate ---- */

bool
is_exception(const struct haproxy_line *l)
{
	if (!haproxy_begins(l, "http-request", "set-var(" GATED_VARIABLE ")") || l->n < 5 ||
		!span_is(l->word[3], "if") || !span_is(l->word[4], "tollgate"))
		return false;
	if (l->n == 5)
		return span_is(l->word[2], "bool(false)");
	return span_is(l->word[5], "{") && condition_requires(NULL, l, NAMED) &&
	       (span_is(l->word[2], "bool(false)") || span_is(l->word[2], "bool(true)"));
}

/* Returns true if the lines for larger kinds may leave this one in the wrong state. */
static bool
needs_line(const struct lay *l, const struct lay_way *w)
{
	bool differs = false, any = false;

	for (size_t i = 0; i < l->nway; i++) {
		const struct lay_way *k = &l->way[i];
		if (k->host != w->host || !way_contains(k, w))
			continue;
		any = true;
		differs |= k->open != w->open;
	}
	return any ? differs : w->open;
}

void
lay_exceptions(const struct lay *l, struct span indent, struct buf *out)
{
	/* from the largest kind to the smallest: the last line that applies decides */
	for (size_t i = l->nway; i-- > 0;) {
		const struct lay_way *w = &l->way[i];
		if (!needs_line(l, w))
			continue;
		buf_printf(out, "%.*shttp-request set-var(" GATED_VARIABLE ") bool(%s) if tollgate",
			SPAN_ARG(indent), w->open ? "false" : "true");
		if (w->host && *w->host == '*')
			buf_printf(out, " { req.hdr(host),host_only,rtrim(.) -m end -i %s }",
				w->host + 1);
		else if (w->host)
			buf_printf(out, " { req.hdr(host),host_only,rtrim(.) -i %s }", w->host);
		if (w->path.n)
			buf_printf(out, " { path%s %.*s }", w->exact ? "" : "_beg",
				SPAN_ARG(w->path));
		if (w->end.n)
			buf_printf(out, " { path_end %.*s }", SPAN_ARG(w->end));
		if (w->open)
			buf_printf(out, "  # backend %s holds no key; its requests stay outside "
					"the gate\n",
				w->back->name.p);
		else
			buf_str(out, "  # these requests pass the gate\n");
	}
}

/* ---- the policy's routes ---- */

const struct lay_backend *
lay_backend_of(const struct lay *l, const char *dialect)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (!strcmp(l->backend[i].dialect, dialect))
			return &l->backend[i];
	return NULL;
}

static const struct lay_backend *
chosen_backend(const struct lay *l, const struct haproxy_section *s)
{
	for (size_t i = 0; s && i < l->nbackend; i++)
		if (l->backend[i].section == s)
			return &l->backend[i];
	return NULL;
}

/* Returns true for dialects whose paths tollgate does not know. */
static bool
without_paths(const char *dialect)
{
	return !strcmp(dialect, "rest") || !strcmp(dialect, "mcp");
}

/* Returns true if routes of default.yaml have the paths of the dialect. */
static bool
has_shipped_routes(const char *dialect)
{
	return !strcmp(dialect, "openai") || !strcmp(dialect, "anthropic");
}

bool
lay_has_route(const struct lay *l, size_t i)
{
	for (size_t k = 0; k < l->nroute; k++)
		if (l->route[k].to == &l->backend[i])
			return true;
	return lay_no_route(l) && i == 0;
}

bool
lay_no_route(const struct lay *l)
{
	return l->nbackend && !l->nroute;
}

static bool
reached(const struct lay *l, const struct lay_backend *b)
{
	for (size_t i = 0; i < l->nway; i++)
		if (l->way[i].back == b->section)
			return true;
	return false;
}

/* Adds a route under the first free name: NAME, NAME-2 and so on. */
static void
lay_add_route(struct lay *l, struct lay_route r)
{
	struct lay_route *all =
		arena_grow(l->arena, l->route, l->nroute, &l->route_room, sizeof(*all), 16);
	const char *name = r.name;

	if (!all)
		return;
	l->route = all;
	for (unsigned n = 2;; n++) {
		bool taken = false;
		for (size_t i = 0; i < l->nroute; i++)
			taken |= !strcmp(all[i].name, r.name);
		if (!taken || arena_failed(l->arena))
			break;
		r.name = arena_printf(l->arena, "%s-%u", name, n).p;
	}
	all[l->nroute++] = r;
}

/* Chooses the backend for a route of default.yaml: the one to which HAProxy's rules send its path,
 * if it has the route's dialect. A provider that no rule reaches gets the routes of its dialect,
 * except for paths that stay outside the gate. */
static const struct lay_backend *
shipped_target(struct lay *l, const struct haproxy *h, const char *host, struct span path,
	const char *dialect)
{
	const struct haproxy_line *by;
	const struct lay_backend *b, *first = lay_backend_of(l, dialect);

	if (!l->nway)
		return first;
	const struct haproxy_section *back = lay_sent_to(l, h, host, path, &by);
	b = chosen_backend(l, back);
	if (b && !strcmp(b->dialect, dialect))
		return b;
	for (size_t i = 0; (b || !back || credential_of(back)) && i < l->nbackend; i++)
		if (!strcmp(l->backend[i].dialect, dialect) && !reached(l, &l->backend[i]))
			return &l->backend[i];
	return NULL;
}

/* Adds the routes of default.yaml for one host. */
static void
add_shipped_routes(struct lay *l, const struct haproxy *h, const char *host)
{
	static const char *const dialects[] = { "openai", "anthropic" };
	const struct span begin = SPAN_LIT("  - name:"), mark = SPAN_LIT("\nroutes:");
	struct span text = shipped("policies/default.yaml");
	const char *p = memmem(text.p, text.n, mark.p, mark.n);

	if (!p)
		return;
	text = span_cut(text, (size_t)(p - text.p) + 1, text.n);
	span_next(&text, '\n');
	while (span_starts(text, begin)) {
		size_t end = span_chr(text, '\n') + 1;
		while (end < text.n && text.p[end] != '\n' &&
			!span_starts(span_cut(text, end, text.n), begin))
			end += span_chr(span_cut(text, end, text.n), '\n') + 1;
		struct lay_route r = { .shipped = span_cut(text, 0, end),
			.host = l->nway ? l->way[0].host ? host : NULL : NULL };
		const char *at = memmem(r.shipped.p, r.shipped.n, "path: ", 6);
		size_t from = at ? (size_t)(at - r.shipped.p) + 6 : 0;
		struct span path = span_cut(r.shipped, from, r.shipped.n);
		struct span name = span_cut(r.shipped, begin.n, span_chr(r.shipped, '\n'));
		path = arena_dup(l->arena, span_cut(path, 0, span_chr(path, '}')));
		name = span_trim(name, " ");
		r.path = path.p;
		r.name = arena_dup(l->arena, span_next(&name, ' ')).p;
		for (size_t i = 0; at && i < COUNT_OF(dialects); i++) {
			char targets[64];
			int n = snprintf(targets, sizeof(targets), "targets: [%s]", dialects[i]);
			if (memmem(r.shipped.p, r.shipped.n, targets, (size_t)n) &&
				(r.to = shipped_target(l, h, host, path, dialects[i])))
				lay_add_route(l, r);
		}
		text = span_cut(text, end, text.n);
	}
}

/* Returns true if one of the usual paths of an API is of this kind. */
static bool
has_usual_path(const struct lay_way *w)
{
	for (size_t i = 0; i < COUNT_OF(usual_paths); i++) {
		struct span p = span_str(usual_paths[i]);
		if (w->exact ? span_eq(p, w->path)
			     : span_starts(p, w->path) && span_ends(p, w->end))
			return true;
	}
	return false;
}

/* Adds the route for a rule of HAProxy's that leads to a provider. */
static void
add_way_route(struct lay *l, const struct lay_way *w)
{
	const struct lay_backend *b = chosen_backend(l, w->back);
	struct lay_route r = { .name = b ? b->name : NULL, .host = w->host, .to = b, .way = w };

	if (!b || w->end.n)
		return;
	for (size_t i = 0; i < l->nroute; i++)
		if (w->exact && l->route[i].host == w->host && l->route[i].path &&
			span_is(w->path, l->route[i].path))
			return;
	if (!w->exact && !w->path.n && has_shipped_routes(b->dialect))
		return;
	r.api = !w->exact && !without_paths(b->dialect) &&
		(!w->path.n || (!has_usual_path(w) &&
				       !dialect_endpoint(dialect_find(span_str(b->dialect)),
					       SPAN_LIT(""), w->path)
						.name &&
				       !span_starts(w->path, SPAN_LIT("/v1"))));
	lay_add_route(l, r);
}

void
lay_find_routes(struct lay *l, const struct haproxy *h)
{
	size_t hosts = l->nway && l->way[0].host ? l->nhost : 1;

	for (size_t i = 0; i < hosts; i++) {
		const char *host = l->nhost ? l->host[i] : "";
		add_shipped_routes(l, h, host);
		for (size_t k = 0; k < l->nway; k++)
			if (!l->way[k].host || l->way[k].host == host)
				add_way_route(l, &l->way[k]);
	}
	/* each other dialect has its paths, even if no rule of HAProxy names them */
	for (size_t i = 0; i < l->nbackend; i++) {
		struct lay_backend *b = &l->backend[i];
		bool has = without_paths(b->dialect) || has_shipped_routes(b->dialect) ||
			   lay_backend_of(l, b->dialect) != b;
		for (size_t k = 0; k < l->nroute; k++)
			has |= l->route[k].to == b && l->route[k].api;
		if (!has)
			lay_add_route(l, (struct lay_route){
					     .name = b->name, .to = b, .api = true });
	}
}

/* ---- the table ---- */

/* Returns the policy's route for a path of this host, or NULL. */
static const struct lay_route *
route_for(const struct lay *l, const char *host, const char *path)
{
	for (size_t i = 0; i < l->nroute; i++) {
		const struct lay_route *r = &l->route[i];
		struct span at = r->way ? r->way->path : SPAN_LIT("");
		if (r->host && r->host != host)
			continue;
		if (r->path	       ? !strcmp(r->path, path)
			: r->api       ? dialect_serves(dialect_find(span_str(r->to->dialect)),
						 SPAN_LIT(""), span_str(path), at)
			: r->way->exact ? span_is(at, path)
					: span_starts(span_str(path), at))
			return r;
	}
	return NULL;
}

static const struct lay_route *
route_for_way(const struct lay *l, const struct lay_way *w)
{
	for (size_t i = 0; i < l->nroute; i++)
		if (l->route[i].way == w)
			return &l->route[i];
	return NULL;
}

static void
put_preview_row(struct buf *out, const struct lay *l, const char *request,
	const struct haproxy_section *before, const struct lay_route *r)
{
	buf_printf(out, "    %-28s %-20s ", request, before ? before->name.p : "none");
	if (r)
		buf_printf(out, "%s (route %s)\n", r->to->name, r->name);
	else if (before && !lay_is_chosen(l, before) && !credential_of(before))
		buf_printf(out, "%s, outside the gate\n", before->name.p);
	else
		buf_str(out, "404, because the policy has no route\n");
}

static void
put_host_rows(struct lay *l, const struct haproxy *h, const char *host, struct buf *out)
{
	const char *same = l->nway && !l->way[0].host ? NULL : host;
	const struct haproxy_line *by;

	for (size_t i = 0; i < COUNT_OF(usual_paths); i++)
		put_preview_row(out, l, usual_paths[i],
			lay_sent_to(l, h, host, span_str(usual_paths[i]), &by),
			route_for(l, host, usual_paths[i]));
	for (size_t i = 0; i < l->nway; i++) {
		const struct lay_way *w = &l->way[i];
		char request[512];
		if (w->host != same || (w->exact && SPAN_IN(w->path, usual_paths)))
			continue;
		snprintf(request, sizeof(request), "%.*s%s%.*s", SPAN_ARG(w->path),
			w->exact ? "" : "…", SPAN_ARG(w->end));
		put_preview_row(out, l, w->path.n || w->end.n ? request : "other paths", w->back,
			route_for_way(l, w));
	}
}

void
lay_table(struct lay *l, const struct haproxy *h, struct buf *out)
{
	if (!l->nway)
		return;
	for (size_t i = 0; i < (l->way[0].host ? l->nhost : 1); i++) {
		buf_str(out, "\nRequests of ");
		for (size_t k = i; k < (l->way[0].host ? i + 1 : l->nhost); k++)
			buf_printf(out, "%s%s", k > i ? ", " : "", l->host[k]);
		buf_printf(out, ":\n    %-28s %-20s %s\n", "path", "before: backend",
			"after: backend");
		put_host_rows(l, h, l->host[i], out);
	}
}
