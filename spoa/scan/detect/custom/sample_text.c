/* Generates the sample text from pieces with placeholders: # becomes a digit, @ a word of the
 * list. A fixed seed makes every run equal. */
#include "scan/detect/custom/sample_text.h"

static const char *const words[] = { "schedule", "renewal", "harbour", "invoice", "kitchen",
	"quarter", "branch", "meeting", "winter", "delivery", "battery", "manual", "garden",
	"contract", "engine", "library", "weather", "report", "station", "window" };

static const char *const pieces[] = {
	"Hello team,\n\nthe @ of the @ is ready. Please read it before the @ on the ##th and "
	"send your remarks to me or to the group. We keep room for @ and @; the rest waits "
	"until the next @. Thanks to everybody who helped with the @ last week.\n\nBest "
	"regards\n\n",
	"When the @ was built, nobody thought that it would stand beside a @ one day. It is "
	"warm in summer and cold in @, and the people who work there say that the light is the "
	"best part of it. In 19## a @ was added; since then little has changed, save for the "
	"@.\n\n",
	"static int\nread_@(struct @ *s, size_t n)\n{\n\tfor (size_t i = 0; i < n; i++) "
	"{\n\t\tif (s->v[i].flags & 0x#f)\n\t\t\tcontinue;\n\t\ts->count += s->v[i].@ << "
	"#;\n\t}\n\treturn s->count > ### ? -1 : 0;\n}\n\n",
	"20##-0#-1# 1#:0#:##.### INFO  @.worker[###]: @ finished in ##.# ms, ### rows, #### "
	"bytes\n"
	"20##-0#-1# 1#:0#:##.### WARN  @.pool[###]: retry # of 5 after timeout\n",
	"{\"@\": {\"id\": ###, \"state\": \"@\", \"ratio\": 0.###, \"tags\": [\"@\", \"@\"], "
	"\"open\": true}, \"next\": \"/v#/@?page=##\"}\n",
	"| @ | units | price | change |\n|---|---|---|---|\n| @ | ### | ##.## | -#.# % |\n| @ "
	"| #,### | ###.## | +#.# % |\n| @ | ## | #.## | 0.0 % |\n\n",
	"Could you explain how a @ differs from a @? I tried ### of them, version #.##.#, and "
	"the @ fails with error ### after about ## seconds. What I want in the end is a short "
	"list of steps that a person without experience can follow.\n\n",
	"Der @ wurde im Jahr 19## eröffnet und später erweitert. Heute arbeiten dort über ### "
	"Menschen, die meisten davon im @. Für das nächste Jahr ist ein größerer Umbau "
	"geplant.\n\n",
};

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

void
sample_text(struct buf *out, size_t bytes)
{
	uint32_t seed = 20261120;

	while (out->n < bytes && !buf_failed(out))
		for (const char *p = pieces[next(&seed) % (COUNT_OF(pieces))]; *p; p++)
			if (*p == '#')
				buf_putc(out, (char)('0' + next(&seed) % 10));
			else if (*p == '@')
				buf_str(out, words[next(&seed) % (COUNT_OF(words))]);
			else
				buf_putc(out, *p);
}
