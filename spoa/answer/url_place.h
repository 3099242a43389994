/* Determines whether a text is part of a URL. An image or link in a shown text fetches its URL,
 * from a host that the author of the URL chose, so a value in a URL may leak. The text is a
 * model's and may be anything. The parser recognizes destinations in Markdown, attributes of
 * HTML, url() of CSS, and all text that begins with a scheme or two slashes. In doubt it takes
 * text for a URL. */
#ifndef ANSWER_URL_PLACE_H
#define ANSWER_URL_PLACE_H

#include "base/span.h"

/* The place after the bytes read so far. States:
 *
 *      OUT ──(a scheme, //, www.)──────→ IN ──(a space, the closing sign, mailto:)──→ OUT
 *      └──( ](  ]:  src=  url( )→ FRESH ─┘ └──(its quote)→ JOIN ──( + % .f )→ IN
 *                                                           └──(else)→ OUT
 *
 * FRESH is before the first character of a destination. JOIN is after a quoted URL, to which
 * code may append a string. A struct of zeros is the beginning of a text. */
struct url_place {
	enum url_at { URL_OUT, URL_FRESH, URL_IN, URL_JOIN } at;
	/* The reader of the text. URL_SHOWN: a program that shows it. URL_CALL: a tool, which
	 * may send its input to any host named in it, so `found` counts. URL_KEPT: a tool that
	 * stores the input, both URLs and the text around them. */
	enum { URL_SHOWN, URL_CALL, URL_KEPT } mode;
	bool found;	   /* a host, or a URL that is not empty, has been read */
	bool whole;	   /* the URL began with a scheme or a host */
	unsigned brackets; /* brackets that the URL opened; URL_KEPT */
	char close;	   /* the byte that ends the URL; 0: a space or a bracket */
	char before;	   /* the last byte before the current word */
	unsigned bytes;	   /* length of the current word */
	bool html;	   /* a tag has begun, so the rest is read as a browser reads HTML */
	/* a <base> element was read: it sets the beginning of all relative URLs, so any of
	 * these may lead to a foreign host */
	bool based;
	bool value;    /* an attribute's value: if quoted, only its quote ends it */
	bool joined;   /* joined to a string that is a URL: lasts to the end of the line */
	uint64_t tail; /* the last eight bytes, in lower case */
	/* the last eight bytes without spaces, because a browser skips spaces before an = */
	uint64_t word;
	struct { /* state of a host name without a scheme */
		enum { NAME_NONE, NAME_LABELS, NAME_PORT } at;
		unsigned dots,
			label; /* number of dots, and number of bytes since the last dot */
		/* number of letters in a row at the end of the label */
		unsigned letters;
		bool puny;  /* the label begins with xn-- */
		bool words; /* the name has more than digits and dots */
		bool root;  /* a host name that ends with the root's dot */
		/* the name follows an @; the name follows a user name and an @ */
		bool mailbox, user;
		bool hex; /* the label begins with 0x, and hex digits follow */
		/* the last eight bytes of the name, without the root's dot */
		uint64_t end;
	} name;
	struct { /* state of an IPv6 address; URL_CALL */
		bool other, digits, pair;
		unsigned colons;
	} v6;
	struct { /* bytes that may begin a full-width character; URL_CALL */
		unsigned n;
		unsigned char bytes[2];
	} wide;
	struct { /* state of \\host */
		unsigned slashes, n;
		bool backslash, dotted, maybe_escape;
	} host;
	struct { /* state of a character written as &#47; or \u002f, and the state before it */
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

/* Advances by a byte. A negative `c` is a character outside of ASCII: -1 for any, else its
 * negated code point. */
void url_place_step(struct url_place *p, int c);
/* Returns true if the next byte would be part of a URL that has begun. */
static inline bool
url_place_inside(const struct url_place *p)
{
	return p->at == URL_IN;
}
/* Returns true if a URL or host was found, assuming that the text ends here. */
bool url_place_found(const struct url_place *p);

#endif
