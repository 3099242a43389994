/* Reads an operator's HAProxy configuration in the way HAProxy does.
 *
 * The reader takes files and folders in the order of HAProxy's -f options and cuts lines into
 * words (configuration.txt 2.2: quotes, escapes, ${ENV}). It evaluates `.if` by HAProxy's
 * version and the environment (2.4), finds the sections, and links each proxy to the `defaults`
 * section that HAProxy would apply (4).
 *
 * If the reader cannot understand something, it adds a note with file and line and continues;
 * it never guesses. The parsed files live in the arena of struct haproxy. One thread uses a
 * struct haproxy at a time. */
#ifndef OPERATOR_EDGE_HAPROXY_FILE_H
#define OPERATOR_EDGE_HAPROXY_FILE_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	HAPROXY_FILES_MAX = 256,      /* files in total, including those found in folders */
	HAPROXY_BYTES_MAX = 16 << 20, /* bytes of all files together */
	/* words in one line; a longer line gets a note and is not read */
	HAPROXY_WORDS_MAX = 256,
	/* nested .if; beyond this the rest of the file is not read, with a note */
	HAPROXY_IF_DEPTH = 64,
	HAPROXY_NOTES_BYTES = 64 << 10, /* bytes of all notes; further notes are dropped */
};

/* One line that has words. `file` and `word` borrow from the arena of struct haproxy. */
struct haproxy_line {
	const char *file;
	unsigned line;	    /* counted from 1 */
	struct span source; /* the line as written in the file */
	/* the words after quotes and escapes are resolved; each ends with a NUL */
	struct span *word;
	size_t n;     /* number of words, at least 1 */
	bool negated; /* `no` or `default` precedes the first word */
	/* the line is inside an .if whose condition could not be evaluated */
	bool maybe;
	/* index of the first word that contains an environment variable's value; 0: none */
	size_t environment;
	/* the line contains or reads a secret (credential.h); haproxy_resolve() sets this */
	bool secret;
	/* the line takes a value from a map, a script or the running process, which may be a
	 * secret */
	bool looked_up;
};

enum haproxy_kind {
	HAPROXY_GLOBAL,
	HAPROXY_DEFAULTS,
	HAPROXY_FRONTEND,
	HAPROXY_BACKEND,
	HAPROXY_LISTEN,
	HAPROXY_OTHER, /* sections without a role here: resolvers, peers, userlist, ... */
};

/* One section: its head ("backend NAME") and the lines below it, without the lines of its
 * defaults. */
struct haproxy_section {
	enum haproxy_kind kind;
	struct span name; /* empty if the head has no name */
	const struct haproxy_line *head;
	struct haproxy_line *line;
	size_t n;
	/* the `defaults` section that applies; NULL: only HAProxy's built-in defaults */
	const struct haproxy_section *defaults;
};

/* An outermost .if with its .endif. Lines that must always apply are placed outside these
 * blocks. */
struct haproxy_block {
	const char *file;
	unsigned from, to; /* line numbers of the .if and of the .endif */
};

/* The parsed configuration. Initialize it with haproxy_init(), read files or texts, then call
 * haproxy_resolve(). */
struct haproxy {
	struct arena arena;
	struct haproxy_section *section;
	size_t n;
	/* major, minor, patch, for example 2, 6, 12; version[0] is 0 if the version is unknown
	 */
	unsigned version[3];
	/* "NAME=VALUE" from /etc/default/haproxy, setenv and presetenv; the last one of a name
	 * counts */
	struct span *variable;
	size_t nvariable;
	struct haproxy_block *block;
	size_t nblock;
	struct buf notes; /* "file:line: TEXT\n" for each note */
	size_t bytes, files;
	/* State of the reader between files. */
	bool outside; /* no section has begun yet in the current file */
	/* the note about lines outside any section was already added for this file */
	bool said;
	/* the first lines of a file continue the section of the previous file; HAProxy itself
	 * starts without a section, so this is set only for fragments */
	bool joined;
	size_t room, line_room, variable_room, block_room;
};

void haproxy_init(struct haproxy *h);
void haproxy_free(struct haproxy *h);
/* Reads the version from "2.6.12", "3.2" or the first line of `haproxy -vv`. Returns false if
 * the text contains no version. */
bool haproxy_set_version(struct haproxy *h, struct span text);
/* Runs `binary -vv` (NULL: `haproxy` from PATH) and reads its version. Returns false if the
 * program cannot be run. */
bool haproxy_ask_version(struct haproxy *h, const char *binary);
/* Returns true if the version is known and at least major.minor.patch. */
bool haproxy_version_atleast(
	const struct haproxy *h, unsigned major, unsigned minor, unsigned patch);
/* Reads NAME=VALUE lines as systemd's EnvironmentFile= does. A missing file adds nothing. */
void haproxy_environment(struct haproxy *h, const char *file);
/* Reads a file, or the *.cfg files of a folder in the order of their names. Returns 0, ERR_IO
 * with errno set, ERR_LIMIT if a bound above is exceeded, or ERR_NOMEM. */
int haproxy_read(struct haproxy *h, const char *path);
/* Lists the *.cfg files of a folder by name, as HAProxy's -f does for a folder. Returns their
 * number and stores the paths in *files (memory of the arena), ERR_IO with errno set, or
 * ERR_LIMIT. */
int haproxy_folder(struct arena *a, const char *path, const char ***files);
/* Returns the file or folder that Debian's service loads: CONFIG from /etc/default/haproxy, or
 * /etc/haproxy/haproxy.cfg. The result borrows from `h`. */
const char *haproxy_config(const struct haproxy *h);
/* Adds the files that Debian's service would load together with the n files of a list. The
 * service loads CONFIG and then each -f of EXTRAOPTS. If a file of the list is below
 * /etc/haproxy, or is that folder, the -f files that are missing are appended. If a file of the
 * list is itself one of the -f files, CONFIG is put first. Returns the new number of files, at
 * most `most`. */
size_t haproxy_extraopts(
	const struct haproxy *h, struct arena *a, const char **files, size_t n, size_t most);
/* Reads a text as if it were the file `file`. Returns as haproxy_read(). */
int haproxy_read_text(struct haproxy *h, const char *file, struct span text);
/* Replaces the line numbers of a file with those that origin() returns for them. */
void haproxy_renumber(struct haproxy *h, const char *file,
	unsigned (*origin)(const void *arg, const char *file, unsigned line), const void *arg);
/* Call once after the last file: links sections to their defaults and marks lines with secrets.
 */
void haproxy_resolve(struct haproxy *h);

/* Cuts line->source into line->word and sets `negated` and `environment`. Returns false, with a
 * note, if the line cannot be read. */
bool haproxy_words(struct haproxy *h, struct haproxy_line *line);
/* Returns the position of the first character of `any` that is neither quoted nor escaped
 * (configuration.txt 2.2), or s.n if there is none. With "#" this is the start of the comment.
 */
size_t unquoted_at(struct span s, const char *any);
/* Evaluates the condition of an .if. Returns 1 if true, 0 if false, -1 if the value cannot be
 * determined outside HAProxy. */
int haproxy_condition(struct haproxy *h, struct span text);
/* Sets a variable for the lines that are read afterwards. */
void haproxy_setenv(struct haproxy *h, struct span name, struct span value);

/* Iterates over the variables that a line writes. Start with a zeroed *w; each call stores the
 * next name in *name, which borrows from *w or from the line. Returns false after the last. */
struct haproxy_written {
	size_t word, at; /* position behind the last name found */
	/* the name without quotes and escapes, as HAProxy sees it; longer names are cut */
	char name[128];
};
bool haproxy_written(
	const struct haproxy_line *l, struct haproxy_written *w, struct span *name);
/* Returns true if the line writes the variable `name`. */
bool haproxy_writes(const struct haproxy_line *l, struct span name);

/* Returns the first `global` section, or NULL if there is none. */
const struct haproxy_section *haproxy_global(const struct haproxy *h);

/* Iterates over the lines that apply to a section: those of its defaults first, then its own.
 * At most 16 chained `defaults` are followed. */
struct haproxy_walk {
	const struct haproxy_section *chain[16];
	size_t depth, at;
};
struct haproxy_walk haproxy_walk(const struct haproxy_section *s);
/* Returns the next line, or NULL after the last. */
const struct haproxy_line *haproxy_next(struct haproxy_walk *w);
/* Returns the last applicable line that begins with the words a and b ("timeout", "server"; b
 * may be NULL). Returns NULL if there is none or if the last one is negated with `no`. */
const struct haproxy_line *haproxy_last(
	const struct haproxy_section *s, const char *a, const char *b);
/* Returns the first of the section's own lines that begins with these words, or NULL. */
const struct haproxy_line *haproxy_own(
	const struct haproxy_section *s, const char *a, const char *b);
/* Returns the word that follows `word`, searched from index `from`, or an empty span. */
struct span value_after(const struct haproxy_line *l, size_t from, const char *word);

/* Returns word i of the line, or an empty span if the line has fewer words. */
static inline struct span
haproxy_word(const struct haproxy_line *l, size_t i)
{
	return i < l->n ? l->word[i] : span_of("", 0);
}

static inline bool
haproxy_begins(const struct haproxy_line *l, const char *a, const char *b)
{
	return span_is(l->word[0], a) && span_is(haproxy_word(l, 1), b);
}

#endif
