/* Lexer and parser of the Common Expression Language.
 *
 * The lexer reads one token for each call, with literals decoded into the arena. Every position
 * in an error comes from it. In a string, \\x and octal escapes name code points; in bytes,
 * they name bytes, and \\u is for strings only. Language definition, "Syntax" and "String and
 * Bytes Values".
 *
 * The parser is a recursive descent with precedence climbing, so that a level of parentheses
 * needs few stack frames. Language definition, "Grammar". Messages (protocol buffers) are not
 * implemented. Depth and size are bounded: base/caps.h. Macros are expanded while parsing. A
 * macro looks like a call, but an argument of it names a variable or a field. Language
 * definition, "Macros"; two-variable forms and cel.bind as in cel-spec's extensions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "policy/cel/ast.h"

/* ---- tokens ---- */

enum cel_tok {
	TOK_END,
	TOK_IDENT,  /* text: the name; also keywords */
	TOK_QUOTED, /* text: the part between backticks */
	TOK_INT,    /* value.u: magnitude, up to 2^63 */
	TOK_UINT,
	TOK_DOUBLE,
	TOK_STRING,
	TOK_BYTES,
	TOK_PUNCT, /* punct: one or two characters */
};

#define PUNCT2(a, b) ((a) << 8 | (b))

struct cel_token {
	enum cel_tok tok;
	int punct; /* '(' or PUNCT2('&', '&') */
	uint32_t at;
	struct span text;
	struct cel_value value;
};

struct cel_lexer {
	struct arena *a; /* decoded literals */
	struct span src;
	size_t at;
	struct cel_error *err;
};

/* Reads exactly `count` digits in `base` at p. Returns false if there are fewer. */
static bool
read_digits(const char *p, const char *end, int count, int base, uint32_t *out)
{
	uint32_t v = 0;

	if (end - p < count)
		return false;
	for (int i = 0; i < count; i++) {
		int d = hex_value(p[i]);
		if (d < 0 || d >= base)
			return false;
		v = v * (uint32_t)base + (uint32_t)d;
	}
	*out = v;
	return true;
}

/* Reads the escape at p, after the backslash, into *v. Returns the number of its characters, or
 * 0 if there is no escape. *wide: the value is a code point even in bytes (\\u, \\U). */
static int
read_escape(const char *p, const char *end, uint32_t *v, bool *wide)
{
	static const char names[] = "abfnrtv\\?\"'`";
	static const char values[] = "\a\b\f\n\r\t\v\\?\"'`";
	const char *at = *p ? strchr(names, *p) : NULL;

	*wide = false;
	if (at) {
		*v = (unsigned char)values[at - names];
		return 1;
	}
	switch (*p) {
	case 'x':
	case 'X': return read_digits(p + 1, end, 2, 16, v) ? 3 : 0;
	case 'u': *wide = true; return read_digits(p + 1, end, 4, 16, v) ? 5 : 0;
	case 'U': *wide = true; return read_digits(p + 1, end, 8, 16, v) ? 9 : 0;
	case '0':
	case '1':
	case '2':
	case '3': return read_digits(p, end, 3, 8, v) ? 3 : 0;
	}
	return 0;
}

/* Decodes the body of a string or bytes literal, between its quotes. `at` is the body's offset
 * in the source. */
static bool
cel_unescape(struct cel_lexer *lx, struct span body, size_t at, bool bytes, struct span *out)
{
	const char *p = body.p, *end = body.p + body.n;
	char *q =
		arena_alloc(lx->a, body.n + 1); /* an escape is never shorter than its value */

	if (!q)
		return cel_error_at(lx->err, lx->src, at, "out of memory");
	out->p = q;
	while (p < end) {
		size_t here = at + (size_t)(p - body.p);
		if (*p != '\\') {
			*q++ = *p++;
			continue;
		}
		uint32_t v = 0;
		bool wide;
		int used = ++p < end ? read_escape(p, end, &v, &wide) : 0;
		if (used == 0)
			return cel_error_at(lx->err, lx->src, here,
				"unknown escape; a raw string r\"...\" takes backslashes "
				"literally");
		if (bytes && wide)
			return cel_error_at(
				lx->err, lx->src, here, "\\u is for strings; bytes take \\x");
		if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
			return cel_error_at(lx->err, lx->src, here, "not a Unicode code point");
		if (bytes)
			*q++ = (char)v;
		else
			q += utf8_encode(v, q);
		p += used;
	}
	out->n = (size_t)(q - out->p);
	return true;
}

/* --- the lexer --- */

bool
cel_error_at(struct cel_error *err, struct span src, size_t at, const char *fmt, ...)
{
	va_list ap;

	utf8_position(src, at, &err->line, &err->column);
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return false;
}

/* Returns true for words that cannot be identifiers, but may be fields and methods. */
static bool
cel_reserved(struct span name)
{
	static const char *const words[] = { "as", "break", "const", "continue", "else",
		"false", "for", "function", "if", "import", "in", "let", "loop", "namespace",
		"null", "package", "return", "true", "var", "void", "while" };

	return SPAN_IN(name, words);
}

/* Returns the byte at offset `at`, or -1 beyond the end. */
static int
peek_char(const struct cel_lexer *lx, size_t at)
{
	return at < lx->src.n ? (unsigned char)lx->src.p[at] : -1;
}

static bool
digit_at(const struct cel_lexer *lx, size_t at)
{
	return at < lx->src.n && is_digit(lx->src.p[at]);
}

static void
skip_space(struct cel_lexer *lx)
{
	for (;;) {
		int c = peek_char(lx, lx->at);
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
			lx->at++;
		} else if (c == '/' && peek_char(lx, lx->at + 1) == '/') {
			while (lx->at < lx->src.n && lx->src.p[lx->at] != '\n')
				lx->at++;
		} else {
			return;
		}
	}
}

/* Reads a string or bytes literal, whose prefix (r, b, both or none) has been read: lx->at is
 * at its first quote. */
static bool
lex_string(struct cel_lexer *lx, bool raw, bool bytes, struct cel_token *t)
{
	size_t at = lx->at;
	int quote = peek_char(lx, at);
	bool triple = peek_char(lx, at + 1) == quote && peek_char(lx, at + 2) == quote;
	size_t width = triple ? 3 : 1;
	size_t from = at + width;

	for (at = from;; at++) {
		int c = peek_char(lx, at);
		if (c < 0 || (!triple && (c == '\n' || c == '\r')))
			return cel_error_at(lx->err, lx->src, t->at, "the string does not end");
		if (c == '\\' && !raw && peek_char(lx, at + 1) >= 0) {
			at++;
			continue;
		}
		if (c == quote && (!triple || (peek_char(lx, at + 1) == quote &&
						      peek_char(lx, at + 2) == quote)))
			break;
	}
	struct span body = span_of(lx->src.p + from, at - from);
	lx->at = at + width;
	t->tok = bytes ? TOK_BYTES : TOK_STRING;
	t->value.type = bytes ? CEL_BYTES : CEL_STRING;
	if (raw) {
		t->value.s = arena_dup(lx->a, body);
		return t->value.s.p || cel_error_at(lx->err, lx->src, t->at, "out of memory");
	}
	return cel_unescape(lx, body, from, bytes, &t->value.s);
}

static bool
lex_int(struct cel_lexer *lx, size_t end, bool hex, struct cel_token *t)
{
	uint64_t v = 0;
	bool over = false;

	for (size_t i = lx->at + (hex ? 2 : 0); i < end; i++) {
		over |= __builtin_mul_overflow(v, hex ? 16u : 10u, &v);
		over |= __builtin_add_overflow(v, (unsigned)hex_value(lx->src.p[i]), &v);
	}
	lx->at = end;
	t->tok = TOK_INT;
	if (peek_char(lx, end) == 'u' || peek_char(lx, end) == 'U') {
		lx->at++;
		t->tok = TOK_UINT;
	} else if (v > (uint64_t)INT64_MAX + 1) {
		over = true;
	}
	if (over)
		return cel_error_at(lx->err, lx->src, t->at, "the number does not fit 64 bits");
	t->value.type = CEL_UINT;
	t->value.u = v;
	return true;
}

/* INT_LIT, UINT_LIT, FLOAT_LIT without their sign. */
static bool
lex_number(struct cel_lexer *lx, struct cel_token *t)
{
	size_t end = lx->at;
	bool hex = peek_char(lx, end) == '0' && (peek_char(lx, end + 1) | 0x20) == 'x';
	bool fp = false;

	if (hex) {
		end = span_past(lx->src, end + 2, is_hex);
		if (end == lx->at + 2)
			return cel_error_at(lx->err, lx->src, t->at, "0x without digits");
	} else {
		end = span_past(lx->src, end, is_digit);
		if (peek_char(lx, end) == '.' && digit_at(lx, end + 1)) {
			fp = true;
			end = span_past(lx->src, end + 1, is_digit);
		}
		if ((peek_char(lx, end) | 0x20) == 'e') {
			size_t sign =
				peek_char(lx, end + 1) == '+' || peek_char(lx, end + 1) == '-';
			if (digit_at(lx, end + 1 + sign)) {
				fp = true;
				end = span_past(lx->src, end + 1 + sign, is_digit);
			}
		}
	}
	if (!fp)
		return lex_int(lx, end, hex, t);
	struct span text = arena_dup(lx->a, span_of(lx->src.p + lx->at, end - lx->at));
	if (!text.p)
		return cel_error_at(lx->err, lx->src, t->at, "out of memory");
	t->tok = TOK_DOUBLE;
	t->value.type = CEL_DOUBLE;
	t->value.d = strtod(text.p, NULL);
	if (t->value.d > 1.7976931348623157e308)
		return cel_error_at(
			lx->err, lx->src, t->at, "the number does not fit a double");
	lx->at = end;
	return true;
}

/* Reads an identifier, or the prefix of a string: [rR] [bB] in either order. */
static bool
lex_word(struct cel_lexer *lx, struct cel_token *t)
{
	bool raw = false, bytes = false;
	size_t end = lx->at;

	for (; end < lx->at + 2; end++) {
		int c = peek_char(lx, end);
		if ((c == 'r' || c == 'R') && !raw)
			raw = true;
		else if ((c == 'b' || c == 'B') && !bytes)
			bytes = true;
		else
			break;
	}
	if (end > lx->at && (peek_char(lx, end) == '"' || peek_char(lx, end) == '\'')) {
		lx->at = end;
		return lex_string(lx, raw, bytes, t);
	}
	end = span_past(lx->src, lx->at, is_word);
	t->tok = TOK_IDENT;
	t->text = span_of(lx->src.p + lx->at, end - lx->at);
	lx->at = end;
	return true;
}

static bool
is_quoted(char c)
{
	return is_word(c) || is_one_of(c, ".-/ ");
}

/* ESC_IDENT: `name` with letters, digits and _ . - / space */
static bool
lex_quoted(struct cel_lexer *lx, struct cel_token *t)
{
	size_t from = lx->at + 1, end = span_past(lx->src, from, is_quoted);

	if (peek_char(lx, end) != '`' || end == from)
		return cel_error_at(lx->err, lx->src, t->at, "not a name in backticks");
	t->tok = TOK_QUOTED;
	t->text = span_of(lx->src.p + from, end - from);
	lx->at = end + 1;
	return true;
}

static bool
lex_punct(struct cel_lexer *lx, struct cel_token *t)
{
	static const char two[][3] = { "&&", "||", "==", "!=", "<=", ">=" };
	int c = peek_char(lx, lx->at), d = peek_char(lx, lx->at + 1);

	t->tok = TOK_PUNCT;
	for (size_t i = 0; i < COUNT_OF(two); i++)
		if (c == two[i][0] && d == two[i][1]) {
			t->punct = PUNCT2(c, d);
			lx->at += 2;
			return true;
		}
	if (c <= 0 || !strchr("()[]{}<>.,:?!+-*/%", c)) {
		if (c == '=')
			return cel_error_at(lx->err, lx->src, t->at,
				"'=' is not an operator; use '==' to compare");
		if (c == '&' || c == '|')
			return cel_error_at(lx->err, lx->src, t->at,
				"'%c' is not an operator; use '%c%c'", c, c, c);
		if (c < 0x20 || c >= 0x7f)
			return cel_error_at(lx->err, lx->src, t->at,
				"unexpected byte 0x%02x outside a string", (unsigned)c);
		return cel_error_at(lx->err, lx->src, t->at, "unexpected '%c'", c);
	}
	t->punct = c;
	lx->at++;
	return true;
}

/* Reads the next token; at the end always TOK_END. Returns false with *err filled. */
static bool
cel_lex(struct cel_lexer *lx, struct cel_token *t)
{
	skip_space(lx);
	*t = (struct cel_token){ .tok = TOK_END, .at = (uint32_t)lx->at };
	int c = peek_char(lx, lx->at);
	bool ok;
	if (c < 0)
		return true;
	if (c == '"' || c == '\'')
		ok = lex_string(lx, false, false, t);
	else if (digit_at(lx, lx->at) || (c == '.' && digit_at(lx, lx->at + 1)))
		ok = lex_number(lx, t);
	else if (c == '`')
		ok = lex_quoted(lx, t);
	else if (is_word((char)c))
		ok = lex_word(lx, t);
	else
		ok = lex_punct(lx, t);
	if (t->tok != TOK_IDENT && t->tok != TOK_QUOTED)
		t->text = span_of(lx->src.p + t->at, lx->at - t->at);
	return ok;
}

/* ---- macros ---- */

struct macro {
	const char *name;
	uint8_t vars; /* number of arguments that name a variable */
	uint8_t args; /* number of arguments with these */
	enum cel_op op;
};

/* clang-format off */
static const struct macro macros[] = {
	{ "all",           1, 2, OP_ALL },
	{ "all",           2, 3, OP_ALL },
	{ "exists",        1, 2, OP_EXISTS },
	{ "exists",        2, 3, OP_EXISTS },
	{ "exists_one",    1, 2, OP_EXISTS_ONE },
	{ "exists_one",    2, 3, OP_EXISTS_ONE },
	{ "existsOne",     1, 2, OP_EXISTS_ONE },
	{ "existsOne",     2, 3, OP_EXISTS_ONE },
	{ "filter",        1, 2, OP_FILTER },
	{ "map",           1, 2, OP_TRANSFORM_LIST },
	{ "map",           1, 3, OP_TRANSFORM_LIST },
	{ "transformList", 2, 3, OP_TRANSFORM_LIST },
	{ "transformList", 2, 4, OP_TRANSFORM_LIST },
	{ "transformMap",  2, 3, OP_TRANSFORM_MAP },
	{ "transformMap",  2, 4, OP_TRANSFORM_MAP },
};
/* clang-format on */

/* Makes a node over n kids. Returns NULL if the arena is full. */
static struct cel_node *
cel_node_new(struct arena *a, enum cel_op op, size_t at, struct cel_node *const *kids, size_t n)
{
	struct cel_node *node =
		arena_alloc(a, sizeof(struct cel_node) + n * sizeof(struct cel_node *));

	if (!node)
		return NULL;
	node->op = (uint8_t)op;
	node->at = (uint32_t)at;
	node->nkids = (uint32_t)n;
	node->depth = 1;
	node->type = (struct cel_styp){ CEL_DYN, CEL_DYN };
	for (size_t i = 0; i < n; i++) {
		node->kid[i] = kids[i];
		if (node->depth <= kids[i]->depth)
			node->depth = (uint16_t)(kids[i]->depth + 1);
	}
	return node;
}

struct expansion {
	struct arena *a;
	struct span src;
	struct cel_error *err;
};

/* Reads the variable that argument n names. Returns false with *err filled. */
static bool
variable(const struct expansion *x, const struct cel_node *n, struct span *out)
{
	if (n->op != OP_IDENT || (n->flags & F_ROOT))
		return cel_error_at(x->err, x->src, n->at,
			"give a variable's name here, as in list.all(x, x > 0)");
	*out = n->name;
	return true;
}

static struct cel_node *
node_over(const struct expansion *x, enum cel_op op, size_t at, struct cel_node *const *kids,
	size_t n)
{
	struct cel_node *node = cel_node_new(x->a, op, at, kids, n);

	if (!node)
		cel_error_at(x->err, x->src, at, "out of memory");
	return node;
}

/* has(e.f) */
static int
expand_has(const struct expansion *x, struct cel_node *arg, struct cel_node **out)
{
	if (arg->op != OP_SELECT || (arg->flags & F_TEST)) {
		cel_error_at(x->err, x->src, arg->at,
			"has() takes a field, as in has(identity.person)");
		return -1;
	}
	struct cel_node *n = node_over(x, OP_SELECT, arg->at, arg->kid, 1);
	if (!n)
		return -1;
	n->name = arg->name;
	n->flags = (uint8_t)(arg->flags | F_TEST);
	*out = n;
	return 1;
}

/* cel.bind(variable, value, body) */
static int
expand_bind(const struct expansion *x, size_t at, struct cel_node **args, struct cel_node **out)
{
	struct cel_node *n = node_over(x, OP_BIND, at, args + 1, 2);

	if (!n || !variable(x, args[0], &n->var[0]))
		return -1;
	n->nvars = 1;
	*out = n;
	return 1;
}

/* Expands x.all(v, condition) and similar macros to one node with target, transformation and
 * condition. Returns 1 with *out, or -1 after it reported a mistake. */
static int
expand_loop(const struct expansion *x, const struct macro *m, size_t at,
	struct cel_node *target, struct cel_node **args, struct cel_node **out)
{
	struct cel_node *kids[3] = { target };
	size_t n = 1;

	/* the transformation is the last argument; a condition before it comes after it in the
	 * node */
	if (m->args == m->vars + 2) {
		kids[n++] = args[m->vars + 1];
		kids[n++] = args[m->vars];
	} else {
		kids[n++] = args[m->vars];
	}
	struct cel_node *node = node_over(x, m->op, at, kids, n);
	if (!node)
		return -1;
	node->nvars = m->vars;
	for (size_t i = 0; i < m->vars; i++)
		if (!variable(x, args[i], &node->var[i]))
			return -1;
	if (m->vars == 2 && span_eq(node->var[0], node->var[1])) {
		cel_error_at(x->err, x->src, args[1]->at, "both variables have the same name");
		return -1;
	}
	*out = node;
	return 1;
}

/* Expands the macro `name` over its arguments (member: with a target). Returns 1 with *out, 0
 * if it is not a macro, or -1 with *err filled. */
static int
cel_macro(struct arena *a, struct span src, struct span name, size_t at,
	struct cel_node *target, struct cel_node **args, size_t nargs, struct cel_node **out,
	struct cel_error *err)
{
	struct expansion x = { a, src, err };

	if (!target)
		return span_is(name, "has") && nargs == 1 ? expand_has(&x, args[0], out) : 0;
	if (target->op == OP_IDENT && span_is(target->name, "cel") && span_is(name, "bind") &&
		nargs == 3)
		return expand_bind(&x, at, args, out);
	for (size_t i = 0; i < COUNT_OF(macros); i++)
		if (macros[i].args == nargs && span_is(name, macros[i].name))
			return expand_loop(&x, &macros[i], at, target, args, out);
	return 0;
}

/* --- parser --- */

struct parser {
	struct arena *a;
	struct span src;
	struct cel_error *err;
	struct cel_lexer lx;
	struct cel_token t; /* the next token */
	unsigned level;	    /* depth of nested expressions */
	unsigned nodes;
};

struct vec {
	struct cel_node **v;
	size_t n, cap;
};

static struct cel_node *parse_expr(struct parser *p);

/* --- helpers --- */

static void *
fail_parse(struct parser *p, size_t at, const char *why)
{
	cel_error_at(p->err, p->src, at, "%s", why);
	return NULL;
}

static bool
advance(struct parser *p)
{
	return cel_lex(&p->lx, &p->t);
}

static bool
at_punct(const struct parser *p, int punct)
{
	return p->t.tok == TOK_PUNCT && p->t.punct == punct;
}

static void *
unexpected(struct parser *p, const char *wanted)
{
	if (p->t.tok == TOK_END)
		cel_error_at(p->err, p->src, p->t.at,
			"the expression ends where %s is expected", wanted);
	else if (span_is(p->t.text, "and") || span_is(p->t.text, "or"))
		cel_error_at(p->err, p->src, p->t.at, "'%.*s' is not an operator; use '%s'",
			SPAN_ARG(p->t.text), p->t.text.p[0] == 'a' ? "&&" : "||");
	else
		cel_error_at(p->err, p->src, p->t.at, "unexpected '%.*s': %s is expected",
			p->t.text.n > 40 ? 40 : (int)p->t.text.n, p->t.text.p, wanted);
	return NULL;
}

static bool
expect(struct parser *p, int punct, const char *what)
{
	if (!at_punct(p, punct)) {
		unexpected(p, what);
		return false;
	}
	return advance(p);
}

static bool
vec_push(struct parser *p, struct vec *v, struct cel_node *n)
{
	struct cel_node **grown = arena_grow(p->a, v->v, v->n, &v->cap, sizeof(*grown), 4);

	if (!grown)
		return fail_parse(p, n->at, "out of memory") != NULL;
	v->v = grown;
	v->v[v->n++] = n;
	return true;
}

/* Makes a node, within the bounds on depth and size. */
static struct cel_node *
node(struct parser *p, enum cel_op op, size_t at, struct cel_node *const *kids, size_t n)
{
	if (++p->nodes > CAP_CEL_NODES)
		return fail_parse(p, at, "the expression has too many parts");
	struct cel_node *node = cel_node_new(p->a, op, at, kids, n);
	if (!node)
		return fail_parse(p, at, "out of memory");
	if (node->depth > CAP_CEL_DEPTH)
		return fail_parse(p, at, "nested too deeply");
	return node;
}

static struct cel_node *
constant(struct parser *p, size_t at, struct cel_value v)
{
	struct cel_node *n = node(p, OP_CONST, at, NULL, 0);

	if (n) {
		n->value = v;
		n->type.t = (uint8_t)v.type;
	}
	return n;
}

/* --- literals, lists, maps --- */

/* Makes a constant of an integer literal's magnitude and sign. */
static struct cel_node *
integer(struct parser *p, size_t at, uint64_t magnitude, bool negative)
{
	if (!negative && magnitude > INT64_MAX)
		return fail_parse(p, at, "the number does not fit 64 bits");
	int64_t v = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return constant(p, at, cel_int(v));
}

static struct cel_node *
literal(struct parser *p, bool negative)
{
	struct cel_token t = p->t;

	if (!advance(p))
		return NULL;
	if (t.tok == TOK_INT)
		return integer(p, t.at, t.value.u, negative);
	if (negative && t.tok == TOK_DOUBLE)
		t.value.d = -t.value.d;
	return constant(p, t.at, t.value);
}

/* exprs = [ expr { "," expr } [ "," ] ], up to the closing bracket, which is read too. In a map
 * each item is expr ":" expr. */
static bool
parse_list(struct parser *p, int close, const char *what, struct vec *v)
{
	while (!at_punct(p, close)) {
		struct cel_node *n = parse_expr(p);
		if (!n || !vec_push(p, v, n))
			return false;
		if (close == '}' &&
			(!expect(p, ':', "':'") || !(n = parse_expr(p)) || !vec_push(p, v, n)))
			return false;
		if (at_punct(p, close))
			break;
		if (!expect(p, ',', what))
			return false;
	}
	return advance(p);
}

/* --- calls and members --- */

/* Parses the arguments of `name`, whose opening parenthesis has been read. */
static struct cel_node *
parse_call(struct parser *p, struct span name, size_t at, struct cel_node *target)
{
	struct vec v = { 0 };
	struct cel_node *n = NULL;

	if (target && !vec_push(p, &v, target))
		return NULL;
	if (!parse_list(p, ')', "',' or ')'", &v))
		return NULL;
	struct cel_node **args = target ? v.v + 1 : v.v;
	size_t nargs = v.n - (target != NULL);
	int macro = cel_macro(p->a, p->src, name, at, target, args, nargs, &n, p->err);
	if (macro < 0)
		return NULL;
	if (macro > 0) {
		if (n->depth > CAP_CEL_DEPTH)
			return fail_parse(p, at, "nested too deeply");
		return n;
	}
	n = node(p, OP_CALL, at, v.v, v.n);
	if (n) {
		n->name = name;
		n->flags = target ? F_MEMBER : 0;
	}
	return n;
}

static struct cel_node *
parse_ident(struct parser *p, bool root)
{
	struct cel_token t = p->t;

	if (t.tok != TOK_IDENT)
		return unexpected(p, "a name");
	if (!root) {
		bool truth = span_is(t.text, "true");
		if (truth || span_is(t.text, "false"))
			return advance(p) ? constant(p, t.at, cel_bool(truth)) : NULL;
		if (span_is(t.text, "null"))
			return advance(p) ? constant(p, t.at,
						    (struct cel_value){ .type = CEL_NULL })
					  : NULL;
	}
	if (cel_reserved(t.text))
		return unexpected(p, "a value");
	if (!advance(p))
		return NULL;
	if (at_punct(p, '('))
		return advance(p) ? parse_call(p, t.text, t.at, NULL) : NULL;
	if (at_punct(p, '{'))
		return fail_parse(
			p, t.at, "messages are not supported; write a map as {\"key\": value}");
	struct cel_node *n = node(p, OP_IDENT, t.at, NULL, 0);
	if (n) {
		n->name = t.text;
		n->flags = root ? F_ROOT : 0;
	}
	return n;
}

/* primary = [ "." ] IDENT [ "(" exprs ")" ] | "(" expr ")" | list | map | literal */
static struct cel_node *
parse_primary(struct parser *p)
{
	size_t at = p->t.at;
	struct vec v = { 0 };
	struct cel_node *n;

	if (p->t.tok == TOK_IDENT)
		return parse_ident(p, false);
	if (p->t.tok >= TOK_INT && p->t.tok <= TOK_BYTES)
		return literal(p, false);
	if (p->t.tok != TOK_PUNCT)
		return unexpected(p, "a value");
	switch (p->t.punct) {
	case '.': return advance(p) ? parse_ident(p, true) : NULL;
	case '(':
		if (!advance(p))
			return NULL;
		n = parse_expr(p);
		return n && expect(p, ')', "')'") ? n : NULL;
	case '[':
		if (!advance(p) || !parse_list(p, ']', "',' or ']'", &v))
			return NULL;
		return node(p, OP_LIST, at, v.v, v.n);
	case '{':
		if (!advance(p) || !parse_list(p, '}', "',' or '}'", &v))
			return NULL;
		return node(p, OP_MAPLIT, at, v.v, v.n);
	}
	return unexpected(p, "a value");
}

/* member = primary { "." SELECTOR [ "(" exprs ")" ] | "[" expr "]" } */
static struct cel_node *
parse_members(struct parser *p, struct cel_node *n)
{
	while (n) {
		size_t at = p->t.at;
		if (at_punct(p, '[')) {
			struct cel_node *index = advance(p) ? parse_expr(p) : NULL;
			if (!index || !expect(p, ']', "']'"))
				return NULL;
			n = node(p, OP_INDEX, at, (struct cel_node *[]){ n, index }, 2);
			continue;
		}
		if (!at_punct(p, '.'))
			return n;
		if (!advance(p))
			return NULL;
		struct cel_token t = p->t;
		if (t.tok != TOK_IDENT && t.tok != TOK_QUOTED)
			return unexpected(p, "a field's name");
		if (span_is(t.text, "in") || span_is(t.text, "true") ||
			span_is(t.text, "false") || span_is(t.text, "null"))
			return unexpected(p, "a field's name");
		if (!advance(p))
			return NULL;
		if (t.tok == TOK_IDENT && at_punct(p, '(')) {
			n = advance(p) ? parse_call(p, t.text, t.at, n) : NULL;
			continue;
		}
		n = node(p, OP_SELECT, t.at, &n, 1);
		if (n) {
			n->name = t.text;
			n->flags = t.tok == TOK_QUOTED ? F_QUOTED : 0;
		}
	}
	return NULL;
}

/* unary = member | "!" { "!" } member | "-" { "-" } member */
static struct cel_node *
parse_unary(struct parser *p)
{
	size_t at = p->t.at;
	int sign = at_punct(p, '!') ? '!' : at_punct(p, '-') ? '-' : 0;
	unsigned count = 0;

	for (; sign && at_punct(p, sign); count++)
		if (!advance(p))
			return NULL;
	struct cel_node *n;
	if (sign == '-' && (p->t.tok == TOK_INT || p->t.tok == TOK_DOUBLE)) {
		n = literal(
			/* the minus is part of the literal: -2^63 cannot be written
			 * otherwise */
			p, true);
		count--;
	} else {
		n = parse_primary(p);
	}
	n = parse_members(p, n);
	/* two operators still require a bool or a number, but more than two have no further
	 * effect */
	for (unsigned i = count > 2 ? 2 - count % 2 : count; n && i > 0; i--)
		n = node(p, sign == '!' ? OP_NOT : OP_NEG, at, &n, 1);
	return n;
}

/* --- operators --- */

struct binary {
	int punct; /* 0: the word `in` */
	int level;
	enum cel_op op;
};

/* clang-format off */
static const struct binary binaries[] = {
	{ PUNCT2('|', '|'), 1, OP_OR },
	{ PUNCT2('&', '&'), 2, OP_AND },
	{ '<',              3, OP_LT },
	{ PUNCT2('<', '='), 3, OP_LE },
	{ '>',              3, OP_GT },
	{ PUNCT2('>', '='), 3, OP_GE },
	{ PUNCT2('=', '='), 3, OP_EQ },
	{ PUNCT2('!', '='), 3, OP_NE },
	{ 0,                3, OP_IN },
	{ '+',              4, OP_ADD },
	{ '-',              4, OP_SUB },
	{ '*',              5, OP_MUL },
	{ '/',              5, OP_DIV },
	{ '%',              5, OP_MOD },
};
/* clang-format on */

static const struct binary *
binary_here(const struct parser *p)
{
	for (size_t i = 0; i < COUNT_OF(binaries); i++) {
		if (binaries[i].punct ? at_punct(p, binaries[i].punct)
				      : p->t.tok == TOK_IDENT && span_is(p->t.text, "in"))
			return &binaries[i];
	}
	return NULL;
}

static struct cel_node *
parse_binary(struct parser *p, int level)
{
	struct cel_node *left = parse_unary(p);
	const struct binary *b;

	while (left && (b = binary_here(p)) && b->level >= level) {
		size_t at = p->t.at;
		struct vec v = { 0 };
		/* a chain of && or || is one node, however long it is */
		bool chain = b->op == OP_AND || b->op == OP_OR;
		if (!vec_push(p, &v, left))
			return NULL;
		do {
			struct cel_node *right =
				advance(p) ? parse_binary(p, b->level + 1) : NULL;
			if (!right || !vec_push(p, &v, right))
				return NULL;
		} while (chain && at_punct(p, b->punct));
		left = node(p, b->op, at, v.v, v.n);
	}
	return left;
}

/* expr = or [ "?" or ":" expr ] */
static struct cel_node *
parse_expr(struct parser *p)
{
	if (++p->level > CAP_CEL_DEPTH)
		return fail_parse(p, p->t.at, "nested too deeply");
	struct cel_node *n = parse_binary(p, 1);
	if (n && at_punct(p, '?')) {
		size_t at = p->t.at;
		struct cel_node *yes = advance(p) ? parse_binary(p, 1) : NULL;
		if (!yes || !expect(p, ':', "':'"))
			return NULL;
		struct cel_node *no = parse_expr(p);
		n = no ? node(p, OP_COND, at, (struct cel_node *[]){ n, yes, no }, 3) : NULL;
	}
	p->level--;
	return n;
}

struct cel_node *
cel_parse(struct arena *a, struct span src, struct cel_error *err)
{
	struct parser p = { .a = a, .src = src, .err = err, .lx = { a, src, 0, err } };

	if (src.n > CAP_CEL_BYTES)
		return fail_parse(&p, 0, "the expression is too long");
	if (!utf8_valid(src))
		return fail_parse(&p, 0, "the expression is not valid UTF-8");
	if (!advance(&p))
		return NULL;
	struct cel_node *n = parse_expr(&p);
	if (n && p.t.tok != TOK_END)
		return unexpected(&p, "an operator or the end");
	return n;
}
