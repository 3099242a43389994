/* Reads shell commands as far as it must to decide whether their text may leave the machine.
 *
 * The reader knows words with quotes, redirections, here-documents, comments, and the signs
 * between commands. Whatever else a shell has (substitutions, groups, loops, functions) makes it
 * return false, since any program could run there. The list of programs is a list of what is
 * known to stay, not of what is known to send: an unknown program may send its arguments.
 *
 *   commands = command *( ( ";" / "&&" / "||" / "|" / newline ) command )
 *   command  = program *( word / redirection )
 *   redirection = [ digits ] ( ">" / ">>" / "<" / "<<" / "<<-" ) word / [ digits ] ">&" digits
 *
 * (POSIX.1-2017, Shell Command Language, 2.10). A here-document whose delimiter is not quoted is
 * expanded, so it may not contain a substitution either (2.7.4). */
#include "answer/command.h"

#include <string.h>

#include "answer/script.h"
#include "answer/url_place.h"
#include "base/among.h"
#include "base/ascii.h"
#include "base/buf.h"
#include "base/scoped.h"

enum {
	COMMAND_WORD_MOST = 16384, /* bytes of a word that are read; a longer word is cut */
	COMMAND_DOCUMENTS = 8,	  /* here-documents of one line */
	COMMAND_DEPTH = 2,	  /* sh -c inside sh -c */
};

/* Programs that read and write files here, and nothing else, whatever their arguments. */
static const char *const local[] = { "cat", "tee", "echo", "printf", "mkdir", "cd", "pwd", "ls",
	"cp", "mv", "rm", "rmdir", "touch", "chmod", "head", "tail", "wc", "grep", "egrep",
	"fgrep", "diff", "cmp", "cut", "tr", "paste", "nl", "uniq", "true", "false",
	"stat", "basename", "dirname", "realpath", "truncate", "apply_patch", "applypatch",
	"patch" };
/* Programs that send their arguments, input or files to other machines, also if no host is in
 * sight: it may be in a variable, in a file, or be a name without a dot. */
static const char *const senders[] = { "curl", "wget", "aria2c", "http", "https", "xh", "ssh", "scp",
	"sftp", "rsync", "ftp", "lftp", "tftp", "telnet", "nc", "ncat", "netcat", "socat", "mail",
	"mailx", "s-nail", "mutt", "neomutt", "sendmail", "msmtp", "swaks", "dig", "nslookup", "host",
	"Invoke-WebRequest", "Invoke-RestMethod", "Send-MailMessage", "iwr", "irm" };
/* Programs and words of the shell whose arguments contain another program. */
static const char *const starters[] = { "sudo", "doas", "env", "nohup", "time", "timeout", "exec",
	"command", "builtin", "eval", "xargs", "parallel", "nice", "ionice", "stdbuf", "setsid",
	"watch", "find", "docker", "podman", "kubectl", "if", "then", "elif", "else", "while",
	"until", "do", "!", "{" };
static const char *const pythons[] = { "python3", "python", "/usr/bin/python3", "/usr/bin/python" };
static const char *const perls[] = { "perl", "/usr/bin/perl" };
static const char *const shells[] = { "sh", "bash", "zsh", "/bin/sh", "/bin/bash", "/bin/zsh" };

struct shell_reader {
	struct span text;
	size_t at;
	unsigned depth;
	bool bad; /* the command cannot be read, or may do more than write files */
	struct {
		struct span end; /* delimiter, of `ends` */
		bool quoted, tabs;
		bool script; /* an interpreter of Python reads it */
	} documents[COMMAND_DOCUMENTS];
	size_t ndocuments, nends;
	char word[COMMAND_WORD_MOST], ends[512];
	size_t word_n;
	bool word_quoted; /* some part of the word was quoted */
	bool interprets;  /* the command interprets its input; it has read a document */
	bool interpreted;
};

static bool text_stays(struct span text, unsigned depth);

static int
peek_shell(const struct shell_reader *r)
{
	return r->at < r->text.n ? (unsigned char)r->text.p[r->at] : -1;
}

static void
shell_word_add(struct shell_reader *r, char c)
{
	if (r->word_n < sizeof(r->word))
		r->word[r->word_n++] = c;
}

/* Reads a "$": a variable may stay, a substitution may not. The name is part of the word. */
static void
read_dollar(struct shell_reader *r)
{
	shell_word_add(r, '$');
	r->at++;
	if (peek_shell(r) == '(')
		r->bad = true;
}

static void
read_double_quotes(struct shell_reader *r)
{
	for (r->at++; peek_shell(r) >= 0 && peek_shell(r) != '"' && !r->bad;) {
		char c = r->text.p[r->at];
		if (c == '`') {
			r->bad = true;
		} else if (c == '$') {
			read_dollar(r);
		} else {
			if (c == '\\' && r->at + 1 < r->text.n &&
				strchr("$`\"\\\n", r->text.p[r->at + 1]))
				c = r->text.p[++r->at];
			shell_word_add(r, c);
			r->at++;
		}
	}
	r->bad |= peek_shell(r) != '"';
	r->at++;
}

static void
read_single_quotes(struct shell_reader *r)
{
	for (r->at++; peek_shell(r) >= 0 && peek_shell(r) != '\''; r->at++)
		shell_word_add(r, r->text.p[r->at]);
	r->bad |= peek_shell(r) != '\'';
	r->at++;
}

/* Reads a word into r->word. Returns false if there is none. */
static bool
read_shell_word(struct shell_reader *r)
{
	size_t from = r->at;

	r->word_n = 0;
	r->word_quoted = false;
	for (int c; !r->bad && (c = peek_shell(r)) >= 0;) {
		if (strchr(" \t\r\n;&|<>", c))
			break;
		if (c == '"' || c == '\'') {
			r->word_quoted = true;
			if (c == '"')
				read_double_quotes(r);
			else
				read_single_quotes(r);
		} else if (c == '$') {
			/* $'…' has escapes, and $"…" is translated */
			read_dollar(r);
			r->bad |= peek_shell(r) == '\'' || peek_shell(r) == '"';
		} else if (c == '`' || c == '(' || c == ')') {
			r->bad = true;
		} else if (c == '\\') {
			r->word_quoted = true;
			r->at++;
			if (peek_shell(r) >= 0 && peek_shell(r) != '\n')
				shell_word_add(r, r->text.p[r->at]);
			r->at++;
		} else {
			shell_word_add(r, (char)c);
			r->at++;
		}
	}
	return r->at > from;
}

static void
skip_shell_blanks(struct shell_reader *r)
{
	for (int c; (c = peek_shell(r)) >= 0; r->at++)
		if (c == '\\' && r->at + 1 < r->text.n && r->text.p[r->at + 1] == '\n')
			r->at++;
		else if (c != ' ' && c != '\t' && c != '\r')
			break;
}

static struct span
shell_word(const struct shell_reader *r)
{
	return span_of(r->word, r->word_n);
}

/* ---- redirections ---- */

static void
note_document(struct shell_reader *r, bool tabs)
{
	if (r->ndocuments == COMMAND_DOCUMENTS || r->word_n == 0 ||
		r->nends + r->word_n > sizeof(r->ends)) {
		r->bad = true;
		return;
	}
	memcpy(r->ends + r->nends, r->word, r->word_n);
	r->documents[r->ndocuments].end = span_of(r->ends + r->nends, r->word_n);
	r->documents[r->ndocuments].quoted = r->word_quoted;
	r->documents[r->ndocuments].script = r->interprets;
	r->interpreted |= r->interprets;
	r->documents[r->ndocuments++].tabs = tabs;
	r->nends += r->word_n;
}

/* Reads a redirection at "<" or ">". */
static void
read_redirection(struct shell_reader *r)
{
	int c = r->text.p[r->at++];
	bool document = false, tabs = false;

	if (peek_shell(r) == '(') { /* <( … ) runs a command */
		r->bad = true;
		return;
	}
	if (peek_shell(r) == c) {
		r->at++;
		document = c == '<';
		if (document && peek_shell(r) == '<') { /* <<< word */
			r->at++;
			document = false;
		}
		tabs = document && peek_shell(r) == '-';
		r->at += tabs;
	} else if (peek_shell(r) == '&' || peek_shell(r) == '|') {
		r->at++;
	}
	skip_shell_blanks(r);
	if (!read_shell_word(r)) {
		r->bad = true;
		return;
	}
	/* a file that is a connection */
	r->bad |= span_starts(shell_word(r), SPAN_LIT("/dev/tcp")) ||
		  span_starts(shell_word(r), SPAN_LIT("/dev/udp"));
	if (document)
		note_document(r, tabs);
}

/* Reads the here-documents that begin after this line. */
static void
read_documents(struct shell_reader *r)
{
	for (size_t i = 0; i < r->ndocuments && !r->bad; i++) {
		size_t from = r->at, to = from;
		bool over = false;
		while (!over && r->at < r->text.n) {
			struct span rest = span_cut(r->text, r->at, r->text.n);
			struct span line = span_next(&rest, '\n');
			to = r->at;
			r->at += line.n + 1;
			while (r->documents[i].tabs && line.n && line.p[0] == '\t')
				line = span_cut(line, 1, line.n);
			over = span_eq(line, r->documents[i].end);
			if (!over && !r->documents[i].quoted)
				r->bad |= memchr(line.p, '`', line.n) ||
					  memmem(line.p, line.n, "$(", 2);
		}
		r->bad |= !over;
		if (r->documents[i].script && !r->bad)
			r->bad = !r->documents[i].quoted ||
				 !python_stays(span_cut(r->text, from, to));
		if (r->at > r->text.n)
			r->at = r->text.n;
	}
	r->ndocuments = r->nends = 0;
}

/* ---- commands ---- */

/* The arguments of a command that were read so far. */
struct shell_arguments {
	enum {
		PROGRAM_LOCAL,
		PROGRAM_SED,
		PROGRAM_GIT,
		PROGRAM_SHELL,
		PROGRAM_PYTHON,
		PROGRAM_PERL
	} program;
	unsigned n;	/* arguments */
	bool script;	/* the script was read; a shell: its command */
	bool input;	/* Python: the script is its input */
	bool is_script; /* the next argument is a script */
};

/* Python: -c and a script, or "-", or no argument; then arguments of the script. */
static bool
python_argument(struct span w, bool script, struct shell_arguments *a)
{
	static const char *const plain[] = { "-B", "-E", "-I", "-S", "-s", "-u" };

	a->is_script = false;
	if (script) {
		a->script = true;
		return python_stays(w);
	}
	if (a->script || a->input)
		return true;
	a->is_script = span_is(w, "-c");
	a->input = span_is(w, "-");
	return a->is_script || a->input || SPAN_IN(w, plain);
}

/* Perl: options that read a file line by line, and one script. The name of a file may not be a
 * command (perlop, "I/O Operators"). */
static bool
perl_argument(struct span w, bool script, struct shell_arguments *a)
{
	a->is_script = false;
	if (script) {
		a->script = true;
		return perl_stays(w);
	}
	if (a->script && (!w.n || w.p[0] != '-')) {
		for (size_t i = 0; i < w.n; i++)
			if (strchr("|<>", w.p[i]))
				return false;
		return true;
	}
	if (a->script || w.n < 2 || w.p[0] != '-')
		return false;
	for (size_t i = 1; i < w.n; i++) {
		if (w.p[i] == 'i' && i + 1 < w.n && w.p[i + 1] == '.')
			return span_all(span_cut(w, i + 2, w.n), is_letter_or_digit);
		if (w.p[i] == 'e' && i + 1 == w.n)
			a->is_script = true;
		else if (!is_digit(w.p[i]) && !strchr("pnil", w.p[i]))
			return false;
	}
	return true;
}

/* Reads an argument. Returns false if the command may do more than write files. */
static bool
argument_stays(const struct shell_reader *r, struct shell_arguments *a)
{
	struct span w = shell_word(r);
	bool first = a->n++ == 0, script = a->is_script;

	if (a->program == PROGRAM_LOCAL)
		return true;
	if (w.n == sizeof(r->word))
		return false; /* cut */
	if (a->program == PROGRAM_GIT)
		return !first || span_is(w, "apply") || span_is(w, "add") ||
		       span_is(w, "status") || span_is(w, "diff");
	if (a->program == PROGRAM_SHELL) {
		a->is_script = first;
		a->script |= script;
		return first ? span_is(w, "-c") || span_is(w, "-lc") || span_is(w, "-ec")
			     : script && text_stays(w, r->depth + 1);
	}
	if (a->program == PROGRAM_PYTHON)
		return python_argument(w, script, a);
	if (a->program == PROGRAM_PERL)
		return perl_argument(w, script, a);
	a->is_script = false;
	if (!script && w.n > 1 && w.p[0] == '-') {
		a->is_script = span_is(w, "-e");
		return a->is_script || span_is(w, "-n") || span_is(w, "-E") ||
		       span_is(w, "-r") || span_starts(w, SPAN_LIT("-i"));
	}
	if (!script && a->script)
		return true; /* a file */
	a->script = true;
	return sed_stays(w);
}

/* Reads the arguments of a command. `program`: its name. */
static void
shell_operands(struct shell_reader *r, struct span program)
{
	struct shell_arguments a = { .program = span_is(program, "sed")	  ? PROGRAM_SED
						: span_is(program, "git")   ? PROGRAM_GIT
						: SPAN_IN(program, shells)  ? PROGRAM_SHELL
						: SPAN_IN(program, pythons) ? PROGRAM_PYTHON
						: SPAN_IN(program, perls)   ? PROGRAM_PERL
									    : PROGRAM_LOCAL };

	r->bad |= a.program == PROGRAM_LOCAL && !SPAN_IN(program, local);
	r->interpreted = false;
	while (!r->bad) {
		skip_shell_blanks(r);
		int c = peek_shell(r);
		r->interprets = a.program == PROGRAM_PYTHON && !a.script && !a.is_script;
		if (c == '<' || c == '>') {
			read_redirection(r);
			continue;
		}
		if (c < 0 || strchr("\n;&|", c) || !read_shell_word(r))
			break;
		bool number = peek_shell(r) == '<' || peek_shell(r) == '>';
		if (number && span_all(shell_word(r), is_digit))
			continue; /* the number of a file, as in 2> */
		r->bad |= !argument_stays(r, &a);
	}
	r->bad |= a.program == PROGRAM_SED && !a.script;
	r->bad |= (a.program == PROGRAM_SHELL || a.program == PROGRAM_PERL) && !a.script;
	r->bad |= a.program == PROGRAM_PYTHON && !a.script && !r->interpreted;
	r->interprets = false;
	r->bad |= a.is_script;
}

/* Reads one command and the sign after it. */
static void
read_command(struct shell_reader *r)
{
	char program[64] = "";

	for (;;) {
		skip_shell_blanks(r);
		int c = peek_shell(r);
		if (c == '<' || c == '>') {
			read_redirection(r);
			if (r->bad)
				return;
			continue;
		}
		if (c == '#') {
			while (peek_shell(r) >= 0 && peek_shell(r) != '\n')
				r->at++;
			break;
		}
		if (c < 0 || strchr("\n;&|", c) || !read_shell_word(r))
			break;
		if (r->bad || r->word_n >= sizeof(program)) {
			r->bad = true;
			return;
		}
		memcpy(program, r->word, r->word_n);
		shell_operands(r, span_of(program, r->word_n));
		break;
	}
	int c = peek_shell(r);
	if (c == '\n') {
		r->at++;
		read_documents(r);
	} else if (c == ';' || c == '&' || c == '|') {
		r->at++;
		if (c != ';' && peek_shell(r) == c)
			r->at++;
	} else {
		r->bad |= c >= 0;
	}
}

static bool
text_stays(struct span text, unsigned depth)
{
	struct shell_reader r = { .text = text, .depth = depth };
	bool some = false;

	while (depth <= COMMAND_DEPTH && !r.bad && r.at < text.n) {
		read_command(&r);
		some = true;
	}
	return some && !r.bad && !r.ndocuments;
}

bool
command_stays(struct span text)
{
	struct span s = span_trim(text, " \t\r\n");

	if (span_starts(s, SPAN_LIT("*** Begin Patch")))
		return span_ends(s, SPAN_LIT("*** End Patch"));
	return text_stays(text, 0);
}

/* ---- programs that send ---- */

/* Returns the next word, without the quotes and the folders before it. *s begins after it. */
static struct span
next_plain_word(struct span *s)
{
	size_t n = 0;

	while (n < s->n && !strchr(" \t\r\n;&|<>()`", s->p[n]))
		n++;
	struct span w = span_cut(*s, 0, n);
	*s = span_cut(*s, n, s->n);
	while (w.n && strchr("\"'\\", w.p[0]))
		w = span_cut(w, 1, w.n);
	while (w.n && strchr("\"'", w.p[w.n - 1]))
		w = span_cut(w, 0, w.n - 1);
	const char *slash = memrchr(w.p, '/', w.n);
	return slash ? span_cut(w, (size_t)(slash - w.p) + 1, w.n) : w;
}

/* Returns true if the word gives a variable its value, and skips a value in quotes. */
static bool
skip_assignment(struct span word, struct span *s)
{
	const char *sign = memchr(word.p, '=', word.n);

	if (!sign || sign == word.p ||
		!span_is_alnum(span_cut(word, 0, (size_t)(sign - word.p)), "_"))
		return false;
	/* the word ended at a space in the quotes */
	if (sign + 1 < word.p + word.n && strchr("\"'", sign[1]) &&
		!memchr(sign + 2, sign[1], (size_t)(s->p - (sign + 2)))) {
		const char *end = memchr(s->p, sign[1], s->n);
		*s = span_cut(*s, end ? (size_t)(end - s->p) + 1 : s->n, s->n);
	}
	return true;
}

/* Skips the here-documents that begin after this line, and returns the text after them. Sets *runs
 * if the shell expands a substitution in one. `marks`: the delimiters as they are written. */
static struct span
skip_documents(struct span s, struct span *marks, size_t *n, bool *runs)
{
	for (size_t i = 0; i < *n; i++) {
		bool quoted = marks[i].n && strchr("\"'\\", marks[i].p[0]), over = false;
		struct span end = next_plain_word(&marks[i]), from = s;
		while (!over && s.n) {
			struct span line = span_trim(span_next(&s, '\n'), "\t");
			over = span_eq(line, end);
		}
		struct span body = span_cut(from, 0, from.n - s.n);
		*runs |= !quoted && (memchr(body.p, '`', body.n) || memmem(body.p, body.n, "$(", 2));
	}
	*n = 0;
	return s;
}

/* Signs count in quotes too: a quoted text may be a command for another shell. `documents`: the
 * here-documents count as commands. Sets *runs if a program may run a file that was written. */
static bool
programs_send(struct span text, bool documents, bool *runs)
{
	static const char *const readers[] = { "sh", "bash", "zsh", "dash", "ksh", ".", "source" };
	enum { BEGINS, STARTED, GOES_ON } at = BEGINS;
	bool script = false; /* the word before was the option of a shell for its script */
	bool file = false;   /* the next word belongs to a redirection */
	struct span s = text, marks[COMMAND_DOCUMENTS];
	size_t nmarks = 0;

	while (s.n) {
		if (!s.p[0] || strchr("\n;&|(`", s.p[0])) {
			bool line = s.p[0] == '\n';
			at = BEGINS;
			file = false;
			s = span_cut(s, 1, s.n);
			if (line && nmarks)
				s = skip_documents(s, marks, &nmarks, runs);
			continue;
		}
		if (!documents && span_starts(s, SPAN_LIT("<<")) &&
			!span_starts(s, SPAN_LIT("<<<")) && nmarks < COUNT_OF(marks)) {
			s = span_cut(s, 2, s.n);
			while (s.n && strchr("- \t", s.p[0]))
				s = span_cut(s, 1, s.n);
			marks[nmarks] = s;
			next_plain_word(&s);
			marks[nmarks].n -= s.n;
			nmarks++;
			continue;
		}
		if (strchr(" \t\r)<>", s.p[0])) {
			file |= strchr("<>", s.p[0]) != NULL;
			s = span_cut(s, 1, s.n);
			continue;
		}
		struct span begin = s, w = next_plain_word(&s), after = span_trim(s, " \t");
		if (file) {
			file = false;
			continue;
		}
		if (script && strchr("\"'", begin.p[0]))
			at = BEGINS;
		script = span_is(w, "-c") || span_is(w, "-lc") || span_is(w, "-ec");
		/* not the name of a setting in a here-document */
		bool setting = span_starts(after, SPAN_LIT("="));
		if (at == GOES_ON || (at == BEGINS && skip_assignment(w, &s)))
			continue;
		if (SPAN_IN(w, senders) && !setting)
			return true;
		*runs |= SPAN_IN(w, readers) || strchr("./$", begin.p[0]) != NULL;
		if (at == BEGINS)
			at = SPAN_IN(w, starters) ? STARTED : GOES_ON;
	}
	return false;
}

bool
command_sends(struct span text)
{
	bool runs = false;

	/* a here-document is a file, unless something may run it */
	return programs_send(text, false, &runs) || (runs && programs_send(text, true, &runs));
}

/* ---- command lines in lists ---- */

/* Returns the length of a placeholder "<" A-Z *( A-Z / 0-9 / "_" ) ">" at the beginning, or 0. */
static size_t
placeholder_length(struct span s)
{
	size_t n = 1;

	if (s.n < 3 || s.p[0] != '<' || !is_upper(s.p[1]))
		return 0;
	while (n < s.n && (is_upper(s.p[n]) || is_digit(s.p[n]) || s.p[n] == '_'))
		n++;
	return n < s.n && s.p[n] == '>' ? n + 1 : 0;
}

/* Appends the string as one quoted word of a shell, with a letter for each placeholder. Returns
 * true if the string contains a URL or a host. */
static bool
put_list_word(struct buf *b, struct span s)
{
	struct url_place at = { .mode = URL_CALL };

	buf_str(b, b->n ? " '" : "'");
	while (s.n) {
		size_t n = placeholder_length(s);
		char c = n ? 'x' : *s.p;
		url_place_step(&at, (unsigned char)c);
		if (c == '\'')
			buf_str(b, "'\\''");
		else
			buf_putc(b, c);
		s = span_cut(s, n ? n : 1, s.n);
	}
	buf_putc(b, '\'');
	return url_place_found(&at);
}

enum command_list
command_list(struct span member, const struct span *words, size_t n)
{
	static const char *const lists[] = { "commands", "cmds" };
	SCOPED_BUF(line, 0);
	bool host = false;

	/* the first word of a command line is a program, without spaces */
	if (n < 2 || SPAN_IN(member, lists) || !words[0].n)
		return LIST_OF_TEXTS;
	for (size_t i = 0; i < words[0].n; i++)
		if (strchr(" \t\r\n", words[0].p[i]))
			return LIST_OF_TEXTS;
	for (size_t i = 0; i < n; i++)
		host |= put_list_word(&line, words[i]);
	if (buf_failed(&line))
		return LIST_HOST;
	if (command_stays(buf_view(&line)))
		return LIST_STAYS;
	return host || command_sends(buf_view(&line)) ? LIST_HOST : LIST_LEAVES;
}
