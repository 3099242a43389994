/* Limits in a policy: errors are reported with their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/policy_fix.h"

#define H POLICY_HEAD

static const struct policy_mistake rows[] = {
	{ "a limit without name", H "limits:\n  - {requests: 1, window: 1m}\n",
		":6:5: name is missing" },
	{ "a limit that counts nothing", H "limits:\n  - {name: a, window: 1m}\n",
		":6:5: the limit counts nothing" },
	{ "a limit that counts both",
		H "limits:\n  - {name: a, requests: 1, tokens: 2, window: 1m}\n",
		":6:28: tokens: this limit already counts requests: write a second limit for "
		"tokens" },
	{ "a limit without window", H "limits:\n  - {name: a, requests: 1}\n",
		":6:5: window is missing" },
	{ "a limit of zero", H "limits:\n  - {name: a, requests: 0, window: 1m}\n",
		":6:25: requests: a whole number from 1" },
	{ "a negative limit", H "limits:\n  - {name: a, tokens: -5, window: 1m}\n",
		":6:23: tokens: a whole number from 1" },
	{ "a window below a second", H "limits:\n  - {name: a, requests: 1, window: 500ms}\n",
		":6:36: window: a duration" },
	{ "a window in words", H "limits:\n  - {name: a, requests: 1, window: monthly}\n",
		":6:36: window: a duration with its unit (30s, 10m, 2h, 1d) from 1s to 31d, or "
		"{calendar: hour}, day, week or month, is expected, found monthly" },
	{ "a small model without its key",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, at_limit: m}\n",
		":6:48: at_limit: a mapping is expected, found a string; accepted: model, "
		"max_output_tokens, tag, up_to" },
	{ "a list where keys belong",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, at_limit: [m]}\n",
		":6:48: at_limit: a mapping is expected, found a list\n" },
	{ "a message with a window",
		H "limits:\n  - {name: a, tokens_per_request: 5, window: 1m}\n",
		":6:38: window: tokens_per_request has no window: remove it" },
	{ "dollars without prices", H "limits:\n  - {name: a, usd: 500, window: 30d}\n",
		":6:15: usd: the policy has no prices: add prices or unknown_price" },
	{ "dollars with ten digits after the point",
		H "limits:\n  - {name: a, usd: 0.0000000001, window: 30d}\n",
		":6:20: usd: an amount of US dollars such as 500 or 0.25, at most 100000000, "
		"is expected," },
	{ "no dollars", H "limits:\n  - {name: a, usd: 0, window: 30d}\n",
		":6:20: usd: an amount of US dollars such as 500 or 0.25, at most 100000000, "
		"is expected," },
	{ "half a dollar sign", H "limits:\n  - {name: a, usd: 5., window: 30d}\n",
		":6:20: usd: an amount of US dollars such as 500 or 0.25, at most 100000000, "
		"is expected," },
	{ "a window over requests at once",
		H "limits:\n  - {name: a, concurrent: 8, window: 1m}\n",
		":6:30: window: concurrent has no window: remove it" },
	{ "an unknown calendar",
		H "limits:\n  - {name: a, tokens: 8, window: {calendar: year}}\n",
		":6:45: calendar: one of hour, day, week, month is expected" },
	{ "a calendar of an unknown zone",
		H "limits:\n  - {name: a, tokens: 8, window: {calendar: day, zone: "
		  "Mars/Olympus}}\n",
		":6:56: zone: Mars/Olympus: no such time zone" },
	{ "a calendar of none", H "limits:\n  - {name: a, tokens: 8, window: {zone: UTC}}\n",
		":6:34: window: calendar is missing" },
	{ "a burst as large as the limit",
		H "limits:\n  - {name: a, requests: 8, window: 1m, burst: {most: 8, window: "
		  "1s}}\n",
		":6:54: most: a burst must be less than the limit: a larger one has no "
		"effect" },
	{ "a burst as long as the limit",
		H "limits:\n  - {name: a, requests: 8, window: 1m, burst: {most: 2, window: "
		  "1m}}\n",
		":6:65: window: a burst's window must be shorter than the limit's: a longer "
		"one has no effect" },
	{ "a burst of nothing",
		H "limits:\n  - {name: a, requests: 8, window: 1m, burst: {window: 1s}}\n",
		":6:47: burst: most is missing" },
	{ "a burst of what is under way",
		H "limits:\n  - {name: a, concurrent: 8, burst: {most: 2, window: 1s}}\n",
		":6:30: burst: this limit has no window: remove burst" },
	{ "soft as a fraction of tokens",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, soft: 0.8}\n",
		":6:44: soft: write a share with a percent sign, as in 80%, found 0.8" },
	{ "soft as a fraction of dollars, which would be 80 cents",
		H "unknown_price: {input: 1, output: 1}\nlimits:\n  - {name: a, usd: 500, "
		  "window: 1m, soft: 0.8}\n",
		":7:43: soft: write a share with a percent sign, as in 80%, found 0.8" },
	{ "a list of prices that is not there",
		H "prices: nowhere.yaml\nlimits:\n  - {name: a, usd: 5, window: 1m}\n",
		":5:9: prices: nowhere.yaml: No such file or directory: put a copy of the "
		"shipped" },
	{ "a number with a comma in it",
		H "limits:\n  - {name: a, tokens: 200,000, window: 1m}\n",
		":6:27: 000: unknown key (write numbers without a comma: 200000, 1.25); "
		"accepted" },
	{ "soft at the limit", H "limits:\n  - {name: a, tokens: 8, window: 1m, soft: 100%}\n",
		":6:44: soft: must be less than the limit: requests past the limit are "
		"refused" },
	{ "soft at no share", H "limits:\n  - {name: a, tokens: 8, window: 1m, soft: 0%}\n",
		":6:44: soft: a share such as 10%" },
	{ "soft at a count beyond",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, soft: 9}\n",
		":6:44: soft: must be less than the limit: requests past the limit are "
		"refused" },
	{ "something at soft, and no soft",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, at_soft: {tag: x}}\n",
		":6:38: at_soft: soft is missing" },
	{ "nothing at the limit",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, at_limit: {tag: x}}\n",
		":6:38: at_limit: model or max_output_tokens is missing" },
	{ "how far without a model",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, at_limit: {max_output_tokens: "
		  "1, up_to: 9}}\n",
		":6:71: up_to: extends the limit for another model, and model is missing" },
	{ "no further than the limit",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, at_limit: {model: m, up_to: "
		  "8}}\n",
		":6:66: up_to: must be more than the limit" },
	{ "cached input in a limit of output",
		H "limits:\n  - {name: a, output_tokens: 8, window: 1m, cached_input: 10%}\n",
		":6:45: cached_input: this limit counts no input tokens" },
	{ "cached input as a fraction",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, cached_input: 0.1}\n",
		":6:52: cached_input: a share such as 10%, from 0.01% to 100%, is expected" },
	{ "an orphan of a rolling window",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, orphan: drop}\n",
		":6:38: orphan: needs a calendar's window: other windows forget unsettled "
		"reservations when" },
	{ "away as nobody says",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, away: permit}\n",
		":6:44: away: one of deny, allow is expected" },
	{ "a share of too much",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, away: {share: 110%}}\n",
		":6:52: share: a share such as 10%" },
	{ "a share of nothing said",
		H "limits:\n  - {name: a, tokens: 8, window: 1m, away: {peers: 2}}\n",
		":6:44: away: share is missing" },
	{ "dollars of answers that nobody reads",
		"tollgate: 1\nname: t\nroutes: [{name: a, match: {path: /}, response: "
		"ignore}]\n"
		"unknown_price: {input: 1, output: 1}\nlimits: [{name: l, usd: 1, window: "
		"1m}]\n",
		":3:48: response: ignore: limit l, at t.yaml:5:10, counts the cost of this "
		"route's responses:" },
	{ "learning from answers that nobody reads",
		"tollgate: 1\nname: t\nroutes: [{name: a, match: {path: /}, reserve: "
		"learned}]\n"
		"limits: []\n",
		":3:47: reserve: learned: the route does not meter" },
	{ "a dimension that is misspelt",
		H "limits:\n  - {name: a, per: [identity.persn], requests: 1, window: 1m}\n",
		":6:21: per: identity.persn: no such field; did you mean identity.person?" },
	{ "a dimension that is a number",
		H "limits:\n  - {name: a, per: [prompt.tokens], requests: 1, window: 1m}\n",
		":6:21: per: prompt.tokens is not a string, a boolean or a list of these: "
		"convert it with" },
	{ "a dimension that is a list of maps",
		H "limits:\n  - {name: a, per: ['[{1: 2}]'], requests: 1, window: 1m}\n",
		":6:21: per: [{1: 2}] is not a string, a boolean or a list of these: convert "
		"it with" },
	{ "a dimension that reads the answer",
		H "limits:\n  - {name: a, per: response.model, requests: 1, window: 1m}\n",
		":6:20: per: response.model is known once the response has arrived: only rules "
		"with phase:" },
	{ "a dimension in a class that there is not",
		H "limits:\n  - {name: a, per: '\"pi\" in prompt.classes', requests: 1, "
		  "window: 1m}\n",
		":6:5: limit a: no prompt.classes can be \"pi\", did you mean pii?" },
	{ "a conversation's dimension beyond the fourth",
		H "limits:\n  - {name: a, per: [identity.team, identity.tier, model.name], "
		  "tokens_per_conversation: 1}\n",
		":6:89: per: more than 4 dimensions" },
	{ "tags of nothing", H "tags: []\n", ":5:7: tags: the list is empty" },
	{ "a tag of an unknown source", H "tags: [team]\n",
		":5:8: tags: user or {metadata: NAME} is expected, found team" },
	{ "a tag of no name", H "tags: [{}]\n", ":5:8: tags: metadata is missing" },
	{ "a tag of a name with blanks", H "tags: [{metadata: a b}]\n",
		":5:19: metadata: a name of at most 64 letters" },
	{ "a tag twice", H "tags: [user, {metadata: user}]\n",
		":5:14: tags: user is listed twice" },
	{ "a tag's unknown key", H "tags: [{metadata: a, header: x}]\n",
		":5:22: header: unknown key" },
	{ "a conversation of nothing", H "conversation: []\n",
		":5:15: conversation: the list is empty" },
	{ "a conversation of an unknown source", H "conversation: [cookie]\n",
		":5:16: conversation: dialect, hash or {header: NAME} is expected" },
	{ "a source after the last", H "conversation: [hash, dialect]\n",
		":5:22: conversation: hash always finds a conversation, so entries after hash "
		"are never tried" },
	{ "a conversation's header that is ours", H "conversation: [{header: X-Tollgate-Id}]\n",
		":5:25: header: the name of a header that callers send is expected" },
	{ "a conversation's header without a name", H "conversation: [{}]\n",
		":5:16: conversation: header is missing" },
	{ "five dimensions",
		H "limits:\n  - {name: a, per: [identity.person, identity.team, identity.tier, "
		  "model.name, route.name], requests: 1, window: 1m}\n",
		":6:80: per: more than 4 dimensions" },
	{ "a limit's name with a slash",
		H "limits:\n  - {name: a/b, requests: 1, window: 1m}\n",
		":6:12: name: a limit's name is part of Redis keys" },
	{ "a limit's name over 32 letters",
		H "limits:\n  - {name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, requests: 1, window: "
		  "1m}\n",
		":6:12: a name of 1 to 32" },
	{ "a limit with a broken condition",
		H "limits:\n  - {name: a, when: 'identity.', requests: 1, window: 1m}\n",
		":6:" },
	{ "the answer in a limit",
		H "limits:\n  - {name: a, when: 'response.status == 200', requests: 1, window: "
		  "1m}\n",
		":6:21: when: response.status is known once the response has arrived: only "
		"rules with phase:" },
};

static void
error_in_a_limit_has_its_position(void **state)
{
	(void)state;
	assert_int_equal(fix_mistakes(rows, COUNT_OF(rows)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_in_a_limit_has_its_position),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
