/* A person's HAProxy configuration as HAProxy reads it: files and folders in the order of its
 * -f options, lines as words (configuration.txt 2.2: quotes, escapes, ${ENV}), `.if` judged by
 * HAProxy's version (2.4), sections, and which `defaults` a proxy begins with (4).
 *
 * What cannot be read is a note with file and line, never a guess; the rest is read on. All of
 * it lives in the arena of struct haproxy. */
#ifndef OPERATOR_EDGE_HAPROXY_FILE_H
#define OPERATOR_EDGE_HAPROXY_FILE_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	HAPROXY_FILES_MAX = 256,      /* files, those of folders included */
	HAPROXY_BYTES_MAX = 16 << 20, /* of all files */
	HAPROXY_WORDS_MAX = 256,      /* words of a line; more: a note, the line is cut there */
	HAPROXY_IF_DEPTH = 64,	      /* .if in .if; deeper: a note, the file ends there */
	HAPROXY_NOTES_BYTES = 64 << 10, /* of notes; the rest is dropped */
};

struct haproxy_line {
	const char *file;
	unsigned line;	    /* 1-based */
	struct span source; /* as it is written */
	struct span *word;  /* a NUL after each */
	size_t n;	    /* words, 1 or more */
	bool negated;	    /* `no` or `default` came before the first word */
	bool maybe;	    /* after an .if that could not be judged */
	size_t environment; /* the first word with a value of the environment; 0: none */
	bool secret;	    /* holds or reads a secret (credential.h); set by haproxy_resolve */
	bool looked_up;	    /* or what may be one: of a map, a script, the running process */
};

enum haproxy_kind {
	HAPROXY_GLOBAL,
	HAPROXY_DEFAULTS,
	HAPROXY_FRONTEND,
	HAPROXY_BACKEND,
	HAPROXY_LISTEN,
	HAPROXY_OTHER, /* resolvers, peers, userlist, ... */
};

struct haproxy_section {
	enum haproxy_kind kind;
	struct span name; /* may be empty */
	const struct haproxy_line *head;
	struct haproxy_line *line;
	size_t n;
	const struct haproxy_section *defaults; /* what it begins with; NULL: HAProxy's own */
};

/* An .if that is in no other, to its .endif. */
struct haproxy_block {
	const char *file;
	unsigned from, to; /* lines */
};

struct haproxy {
	struct arena arena;
	struct haproxy_section *section;
	size_t n;
	unsigned version[3];   /* 2, 6, 12; 0: unknown */
	struct span *variable; /* NAME=VALUE: of /etc/default/haproxy, setenv and presetenv */
	size_t nvariable;
	struct haproxy_block *block;
	size_t nblock;
	struct buf notes; /* "file:line: what could not be read\n" */
	size_t bytes, files;
	/* where the reader is */
	bool outside; /* no section has begun in this file */
	bool said;    /* and that was said of it */
	bool joined;  /* a file goes on in the section of the one before: files that are not
			 HAProxy's own */
	size_t room, line_room, variable_room, block_room;
};

void haproxy_init(struct haproxy *h);
void haproxy_free(struct haproxy *h);
/* "2.6.12", "3.2" or the first line of `haproxy -vv`; false: none is in it. */
bool haproxy_set_version(struct haproxy *h, struct span text);
/* Asks `binary -vv` (NULL: haproxy of PATH); false: it cannot be run. */
bool haproxy_ask_version(struct haproxy *h, const char *binary);
/* True where the version is known and is at least this. */
bool haproxy_version_atleast(
	const struct haproxy *h, unsigned major, unsigned minor, unsigned patch);
/* NAME=VALUE lines of a file as systemd's EnvironmentFile reads them. No file: nothing. */
void haproxy_environment(struct haproxy *h, const char *file);
/* A file, or a folder's *.cfg files by name. 0; ERR_IO, and errno says why; ERR_LIMIT. */
int haproxy_read(struct haproxy *h, const char *path);
/* The *.cfg files of a folder by name, as HAProxy's -f takes a folder: how many, in *files,
 * all of it the arena's; ERR_IO, and errno says why; ERR_LIMIT. */
int haproxy_folder(struct arena *a, const char *path, const char ***files);
/* The file or folder that Debian's service names: CONFIG of /etc/default/haproxy, or
 * /etc/haproxy/haproxy.cfg. Borrows from h. */
const char *haproxy_config(const struct haproxy *h);
/* Debian's service loads CONFIG, then the -f of EXTRAOPTS. Adds what a list of n files lacks of
 * them, if one of the list is in /etc/haproxy, or is that folder: the -f, and CONFIG if one of
 * the list is among the -f. Returns how many there are then. */
size_t haproxy_extraopts(
	const struct haproxy *h, struct arena *a, const char **files, size_t n, size_t most);
/* A text under the name of a file. */
int haproxy_read_text(struct haproxy *h, const char *file, struct span text);
/* Gives the lines of a file other numbers: those that origin() says. */
void haproxy_renumber(struct haproxy *h, const char *file,
	unsigned (*origin)(const void *arg, const char *file, unsigned line), const void *arg);
/* After the last: which defaults apply is known then. */
void haproxy_resolve(struct haproxy *h);

/* The words of one line, into line->word and the flags; false: a note says why. */
bool haproxy_words(struct haproxy *h, struct haproxy_line *line);
/* The place of the first of these characters that no quote and no backslash takes, as HAProxy reads
 * a line (configuration.txt 2.2): its comment for "#". s.n: there is none. */
size_t unquoted_at(struct span s, const char *any);
/* The condition of an .if: 1 true, 0 false, -1 cannot be known here. */
int haproxy_condition(struct haproxy *h, struct span text);
/* A variable's value; p NULL: not set. */
struct span haproxy_variable(const struct haproxy *h, struct span name);
void haproxy_setenv(struct haproxy *h, struct span name, struct span value);
__attribute__((format(printf, 4, 5))) void haproxy_note(
	struct haproxy *h, const char *file, unsigned line, const char *fmt, ...);

/* The variables that a line writes, each call the next one, from {0} on; false: no more. */
struct haproxy_written {
	size_t word, at; /* where that is */
	char name[128];	 /* as HAProxy takes it; a longer one is cut */
};
bool haproxy_written(
	const struct haproxy_line *l, struct haproxy_written *w, struct span *name);
bool haproxy_writes(const struct haproxy_line *l, struct span name);

/* The first global section; NULL: there is none. */
const struct haproxy_section *haproxy_global(const struct haproxy *h);

/* A section's lines as they apply: those of its defaults first. */
struct haproxy_walk {
	const struct haproxy_section *chain[16];
	size_t depth, at;
};
struct haproxy_walk haproxy_walk(const struct haproxy_section *s);
const struct haproxy_line *haproxy_next(struct haproxy_walk *w);
/* The last line that begins with these words ("timeout", "server"; b may be NULL); NULL: none,
 * or it says `no`. */
const struct haproxy_line *haproxy_last(
	const struct haproxy_section *s, const char *a, const char *b);
/* The first of the section's own lines that begins with these words; NULL: none. */
const struct haproxy_line *haproxy_own(
	const struct haproxy_section *s, const char *a, const char *b);
/* The word after this one, from word `from` on; empty: it is not there. */
struct span value_after(const struct haproxy_line *l, size_t from, const char *word);
/* The line's word i; empty: there are fewer. */
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
