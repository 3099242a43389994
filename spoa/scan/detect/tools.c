/* Makes the patterns of the table `tools:` in a rule file. */
#include "scan/detect/tools.h"

#include "base/ascii.h"

/* Other arguments between the name of a program and the option, and the backslash that
 * continues a line. */
#define ARGUMENTS "(?:[^\\s|;&]{1,96}(?:[ ]?\\\\\\r?\\n)?[ ]{1,8}){0,12}?"
/* The password; behind arguments that may be words of a sentence, it must not look like one. */
#define NO_WORD "(?=[\"']?[^\\s\"']{0,40}[0-9A-Z!@#$%^&*])"
#define VALUE "[\"']?(?<value>[^\\s\"'/\\-<>|&;][^\\n]{3,127})"

/* Writes a text as a pattern for exactly this text. In an option, a space stands for one to three
 * spaces, and * for one argument. */
static void
put_literally(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == ' ')
			buf_str(out, "[ ]{1,3}");
		else if (c == '*')
			buf_str(out, "[^\\s|;&]{1,64}");
		else if (is_alnum(c))
			buf_putc(out, c);
		else
			buf_printf(out, "\\%c", c);
	}
}

/* Writes the texts of a list as alternatives. Returns false after reporting a mistake. */
static bool
put_alternatives(const struct yaml_node *list, struct diag *d, struct buf *out)
{
	if (list->kind != YAML_SEQUENCE || !list->child) {
		diag_at(d, list, "a list of texts is expected");
		return false;
	}
	for (const struct yaml_node *n = list->child; n; n = n->next) {
		if (n->kind != YAML_SCALAR || !n->s.n) {
			diag_at(d, n, "a text is expected");
			return false;
		}
		if (n != list->child)
			buf_putc(out, '|');
		put_literally(out, n->s);
	}
	return true;
}

/* Returns true if an option of the list ends with *: the password is known by its position alone. */
static bool
is_positional(const struct yaml_node *options)
{
	for (const struct yaml_node *n = options->child; n; n = n->next)
		if (n->s.p[n->s.n - 1] == '*')
			return true;
	return false;
}

static bool
keys_are_known(const struct yaml_node *row, struct diag *d)
{
	static const char *const keys[] = { "tools", "options", "form", "between", "manual" };

	for (const struct yaml_node *c = row->child; c; c = c->next)
		if (span_find(c->key->s, keys, sizeof(keys) / sizeof(keys[0])) ==
			sizeof(keys) / sizeof(keys[0])) {
			diag_at(d, c->key,
				"unknown key `%.*s`: a tool has tools, options, form, between, "
				"manual",
				SPAN_ARG(c->key->s));
			return false;
		}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (i != 2 && i != 3 && !yaml_get(row, keys[i])) {
			diag_at(d, row, "a tool needs `%s`", keys[i]);
			return false;
		}
	return true;
}

bool
tool_row_regex(const struct yaml_node *row, struct diag *d, struct buf *out)
{
	static const char *const forms[] = { "next", "joined", "user" };

	if (row->kind != YAML_MAPPING) {
		diag_at(d, row, "a tool must be a mapping");
		return false;
	}
	if (!keys_are_known(row, d))
		return false;
	const struct yaml_node *form = yaml_get(row, "form"), *between = yaml_get(row, "between");
	size_t kind = form ? span_find(form->s, forms, sizeof(forms) / sizeof(forms[0])) : 0;
	if (kind == sizeof(forms) / sizeof(forms[0])) {
		diag_at(d, form, "form must be next, joined or user");
		return false;
	}
	buf_str(out, "(?<![A-Za-z0-9_.\\-])(?i:");
	if (!put_alternatives(yaml_get(row, "tools"), d, out))
		return false;
	buf_str(out, ")(?:\\.(?:exe|cmd|py|sh))?[ ]{1,8}" ARGUMENTS "(?:");
	if (!put_alternatives(yaml_get(row, "options"), d, out))
		return false;
	buf_str(out, kind == 1 ? ")" : ")(?:[ ]{1,3}|=)");
	if (kind == 2) {
		buf_str(out, "[\"']?[^\\s\"':%/,|;&]{1,64}");
		put_literally(out, between ? between->s : SPAN_LIT(":"));
	}
	if (is_positional(yaml_get(row, "options")))
		buf_str(out, NO_WORD);
	buf_str(out, VALUE);
	return true;
}
