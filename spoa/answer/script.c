/* Reads scripts that agents pass to an interpreter to edit files: Python as text, Perl and sed as
 * substitutions. As in command.c, the lists contain what is known to stay: a module, a flag or a
 * form that is not known may send the text, or run what sends it. */
#include "answer/script.h"

#include <string.h>

#include "base/among.h"
#include "base/ascii.h"

/* ---- substitutions ---- */

/* Reads substitutions with these flags. */
static bool
only_substitutes(struct span s, const char *flags)
{
	for (size_t at = 0; at < s.n;) {
		while (at < s.n && (is_digit(s.p[at]) || strchr(",$ \t;\n", s.p[at])))
			at++;
		if (at == s.n)
			return true;
		if (s.p[at] != 's' || at + 1 == s.n)
			return false;
		char d = s.p[at + 1];
		unsigned parts = 0;
		for (at += 2; at < s.n && parts < 2; at++) {
			if (s.p[at] == '\\')
				at++;
			else if (s.p[at] == d)
				parts++;
		}
		if (parts < 2)
			return false;
		while (at < s.n && (is_digit(s.p[at]) || strchr(flags, s.p[at])))
			at++;
		if (at < s.n && !strchr(" \t;\n", s.p[at]))
			return false;
	}
	return true;
}

bool
sed_stays(struct span script)
{
	return only_substitutes(script, "gIip");
}

static bool
is_script_name(char c)
{
	return (unsigned char)c < 0x80 && (is_letter_or_digit(c) || c == '_');
}

/* Perl runs code in a subscript of a variable ($x{…}, @x[…]), in a block (@{…}) and in a pattern
 * ((?{…})). */
bool
perl_stays(struct span script)
{
	for (size_t i = 0; i < script.n; i++) {
		char c = script.p[i];
		if (c == '\\') {
			i++;
			continue;
		}
		if (c == '?' && i + 1 < script.n && strchr("{?p", script.p[i + 1]))
			return false;
		if (c != '$' && c != '@')
			continue;
		size_t end = i + 1;
		while (end < script.n && (is_script_name(script.p[end]) || script.p[end] == ':'))
			end++;
		bool name = end > i + 1;
		char next = end < script.n ? script.p[end] : ' ';
		if (strchr("{[", next) || (name && next == '-') || (!name && strchr("$@", next)))
			return false;
	}
	return only_substitutes(script, "gimsx");
}

/* ---- Python ---- */

/* Modules that open no connection and start no program, except by the words below. */
static const char *const modules[] = { "json", "re", "pathlib", "csv", "io", "os", "sys", "datetime",
	"textwrap", "shutil", "string", "math", "random", "hashlib", "base64", "glob", "fnmatch",
	"difflib", "configparser", "time", "itertools" };
/* Names by which a program runs text or other programs, or reaches what is not imported. */
static const char *const reaching[] = { "eval", "compile", "globals", "locals", "vars", "getattr",
	"setattr", "delattr", "breakpoint", "help", "system", "modules", "meta_path", "path_hooks",
	"builtins", "f_builtins", "f_globals", "f_locals", "f_code", "startfile", "socket",
	"subprocess", "importlib", "ctypes" };
static const char *const reaching_parts[] = { "exec", "popen", "Popen", "spawn", "fork" };

struct python_reader {
	struct span text;
	size_t at;
	bool bad;
	/* the statement is an import, whose next name is a module; it is the list after "from" */
	enum { NO_IMPORT, IMPORT_NAMES, IMPORT_AS, FROM_MODULE, FROM_NAMES } import;
	unsigned brackets; /* open brackets, in which a line end ends no statement */
	bool begun;	   /* a word of the statement was read */
};

/* Passes over a string. `formatted`: names in braces are evaluated; a call there is not read. */
static void
read_python_string(struct python_reader *r, bool formatted)
{
	char quote = r->text.p[r->at];
	const char triple[] = { quote, quote, quote };
	bool is_long = span_starts(
		span_cut(r->text, r->at, r->text.n), span_of(triple, sizeof(triple)));
	unsigned braces = 0;

	for (r->at += is_long ? 3 : 1; r->at < r->text.n; r->at++) {
		struct span rest = span_cut(r->text, r->at, r->text.n);
		char c = rest.p[0];
		r->bad |= braces && c == quote; /* a string inside the expression */
		if (is_long ? span_starts(rest, span_of(triple, sizeof(triple))) : c == quote) {
			r->at += is_long ? 3 : 1;
			return;
		}
		if (c == '\\')
			r->at++;
		else if (c == '\n' && !is_long)
			break;
		else if (formatted && (c == '{' || c == '}'))
			braces += c == '{' ? 1 : braces ? (unsigned)-1 : 0;
		else if (braces && (c == '(' || span_starts(rest, SPAN_LIT("__"))))
			r->bad = true;
	}
	r->bad = true; /* not closed */
}

static void
read_python_word(struct python_reader *r)
{
	size_t from = r->at;

	while (r->at < r->text.n && is_script_name(r->text.p[r->at]))
		r->at++;
	struct span w = span_cut(r->text, from, r->at);
	char next = r->at < r->text.n ? r->text.p[r->at] : '\n';
	if ((next == '"' || next == '\'') && w.n <= 2) {
		bool formatted = false, prefix = true;
		for (size_t i = 0; i < w.n; i++) {
			prefix = prefix && strchr("rRbBuUfF", w.p[i]);
			formatted |= w.p[i] == 'f' || w.p[i] == 'F';
		}
		if (prefix) {
			read_python_string(r, formatted);
			return;
		}
	}
	bool first = !r->begun, attribute = from > 0 && r->text.p[from - 1] == '.';
	r->begun = true;
	r->bad |= SPAN_IN(w, reaching) || (memmem(w.p, w.n, "__", 2) && !span_is(w, "__name__"));
	for (size_t i = 0; i < COUNT_OF(reaching_parts); i++)
		r->bad |= memmem(w.p, w.n, reaching_parts[i], strlen(reaching_parts[i])) != NULL;
	if (span_is(w, "import") && r->import == FROM_NAMES)
		return;
	if (span_is(w, "import") || (span_is(w, "from") && first))
		r->import = span_is(w, "from") ? FROM_MODULE : IMPORT_NAMES;
	else if (r->import == IMPORT_NAMES || r->import == FROM_MODULE) {
		r->bad |= attribute || !SPAN_IN(w, modules);
		r->import = r->import == FROM_MODULE ? FROM_NAMES : IMPORT_AS;
	}
}

bool
python_stays(struct span script)
{
	struct python_reader r = { .text = script };

	while (!r.bad && r.at < script.n) {
		char c = script.p[r.at];
		if (is_script_name(c)) {
			read_python_word(&r);
			continue;
		}
		if (c == '"' || c == '\'') {
			read_python_string(&r, false);
			continue;
		}
		if (c == '#') {
			struct span line = span_cut(script, r.at, script.n);
			line = span_cut(line, 0, span_chr(line, '\n'));
			r.bad |= memmem(line.p, line.n, "coding", 6) != NULL; /* other letters */
			r.at += line.n;
			continue;
		}
		c = script.p[r.at++];
		/* other letters are equal to letters of ASCII; a line may continue */
		r.bad |= (unsigned char)c >= 0x80 || c == '\\' || c == '\0';
		r.brackets += strchr("([{", c) != NULL;
		r.brackets -= strchr(")]}", c) && r.brackets;
		if (c == ',' && r.import == IMPORT_AS)
			r.import = IMPORT_NAMES;
		if (c == ';' || c == ':' || (c == '\n' && !r.brackets)) {
			r.import = NO_IMPORT;
			r.begun = false;
		}
	}
	return !r.bad && span_trim(script, " \t\r\n").n;
}
