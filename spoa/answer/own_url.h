/* URLs that the caller sent, in which a value was replaced. If a response repeats such a URL
 * with its placeholders, the values may be put back, because they return to the host with which
 * they came. The request and the response are read with the same steps, so that both sides agree
 * on where a URL begins and ends. */
#ifndef ANSWER_OWN_URL_H
#define ANSWER_OWN_URL_H

#include "answer/url_place.h"
#include "base/span.h"
#include "scan/text/body.h"

enum { OWN_URL_MOST = 1024 /* bytes of a URL; a longer one is not the caller's */ };

/* The URL at the place of a struct url_place. A struct of zeros is the beginning of a text. */
struct own_url {
	enum url_at at; /* url_place.at after the last unit */
	bool ended;   /* a URL ended with the last unit; `text` is complete until the next */
	bool spoiled; /* the URL is too long, is joined to another text, or lacks a unit */
	bool quoted;  /* the closing quote of the URL was the last unit */
	bool fresh;   /* the URL began at its first character, as in ](https: */
	/* number of placeholders in the URL, and the end of the last one */
	unsigned values;
	size_t last;
	size_t begun; /* bytes of `text` when the place became part of a URL */
	/* The word before the URL is not of the form NAME= or --NAME=, so a shell may join it
	 * to the URL. */
	bool odd_word;
	enum { WORD_BEGINS, WORD_NAME, WORD_VALUE, WORD_ODD } word;
	size_t n;
	char text[OWN_URL_MOST];
	/* the restorer's: the authority of the first URL of a string */
	size_t authority_n;
	char authority[OWN_URL_MOST];
};

/* Reads the unit `c`, by which the place advanced to `p`. A negative c is a character outside
 * of ASCII, as in url_place_step(). */
void own_url_step(struct own_url *u, const struct url_place *p, int c);
/* Reads a placeholder, as which the place advanced to `p`. `name`: as in a request, with its
 * brackets. */
void own_url_value(struct own_url *u, const struct url_place *p, struct span name);
/* The text or the string ends: a URL in progress ends with it, and what follows is read as a new text. */
void own_url_stop(struct own_url *u);

/* Returns the URL that ended, from its scheme or its two slashes on; p NULL: it has neither, or
 * no placeholder, or is spoiled. It borrows from `u`. */
struct span own_url_text(const struct own_url *u);
/* Returns the beginning of the URL up to the end of its host and port. */
struct span own_url_authority(struct span url);
/* Returns the URL without what follows it in a list: "," ";" and "|" end it if they come after
 * the authority and the last placeholder. `last` as in struct own_url, counted from the
 * beginning of the URL. */
struct span own_url_cut(struct span url, size_t last);

/* Finds the URLs of a request's text that contain at least one of the `n` edits, which are in
 * order and do not overlap, and calls found() with each URL as it is sent. */
typedef void own_url_found(void *arg, struct span url);
void own_urls_each(struct span text, const struct text_edit *v, size_t n, own_url_found *found,
	void *arg);

#endif
