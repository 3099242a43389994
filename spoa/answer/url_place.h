/* Whether a text is part of a URL: an image or a link that shows itself fetches what its URL
 * says, from a host that who wrote the URL has chosen. Meant for models' answers, which may be
 * anything: it reads Markdown's destinations, attributes of HTML, url() of CSS, and whatever
 * begins as a scheme or with two slashes, and rather takes too much for a URL than too little.
 */
#ifndef ANSWER_URL_PLACE_H
#define ANSWER_URL_PLACE_H

#include "base/span.h"

/*    OUT ──(a scheme, //, www.)──────→ IN ──(a blank, what closes it, mailto:)──→ OUT
 *     └──( ](  ]:  src=  url( )→ FRESH ─┘ └──(its quote)→ JOIN ──( + % .f )→ IN
 *                                                          └──(else)→ OUT  */
struct url_place {
	enum { URL_OUT, URL_FRESH, URL_IN, URL_JOIN } at;
	/* Whose text it is: somebody's who shows it; a tool's, which may send what it gets to
	 * any host that it finds in it: `found` is asked for; or a tool's that keeps it as it
	 * is, a URL and what is around it. */
	enum { URL_SHOWN, URL_CALL, URL_KEPT } mode;
	bool found;	   /* a URL, with something in it, or a host has come */
	bool whole;	   /* it began with a scheme or a host */
	unsigned brackets; /* that a URL opened; URL_KEPT */
	char close;	/* what ends it; 0: a blank or a bracket */
	char before;	/* the word under way */
	unsigned bytes; /* of it */
	bool html;	/* a tag has begun somewhere: what follows is read as a browser does */
	bool based;    /* one that says what all destinations are below: none is the caller's */
	bool value;    /* an attribute's: in quotes it ends with them alone */
	bool joined;   /* to a string that is one: up to the end of the line */
	uint64_t tail; /* the last eight characters, small letters */
	uint64_t word; /* the same without blanks: a browser skips them before an = */
	struct {       /* a host's name without a scheme, so far */
		enum { NAME_NONE, NAME_LABELS, NAME_PORT } at;
		unsigned dots, label; /* bytes since the last one */
		unsigned letters;     /* likewise, and nothing else */
		bool puny;	      /* they begin with xn-- */
		bool words;	      /* not all of it is digits and dots */
		bool root;	      /* a host's without its last dot */
		bool mailbox, user;   /* it comes after an @; and that after a user */
		bool hex;	      /* it begins with 0x, and is digits */
		uint64_t end;	      /* its last eight characters, but for the root's dot */
	} name;
	struct { /* an address of IPv6, so far; URL_CALL */
		bool other, digits, pair;
		unsigned colons;
	} v6;
	struct { /* bytes of what may be a character of full width; URL_CALL */
		unsigned n;
		unsigned char bytes[2];
	} wide;
	struct { /* \\host, so far */
		unsigned slashes, n;
		bool backslash, dotted, maybe_escape;
	} host;
	struct { /* a character that is spelled &#47; or \u002f, and what was before it */
		enum {
			REF_NONE,
			REF_AMP,
			REF_NUMBER,
			REF_HEX,
			REF_NAME,
			REF_BACK,
			REF_4,
			REF_2
		} at;
		unsigned n;
		uint32_t value;
		char name[8], before;
		uint64_t tail, word;
	} ref;
};

/* On by a byte; below 0: by a character that is not ASCII, -1 any, else its code, negative. */
void url_place_step(struct url_place *p, int c);
/* What comes next is a part of a URL that has begun. */
static inline bool
url_place_inside(const struct url_place *p)
{
	return p->at == URL_IN;
}
/* True where a URL or a host has come, if the text ends here. */
bool url_place_found(const struct url_place *p);

#endif
