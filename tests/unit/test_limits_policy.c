/* Limits as the policy writes them: mistakes are named with their place. */
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
		":6:28: tokens: the limit counts requests already" },
	{ "a limit without window", H "limits:\n  - {name: a, requests: 1}\n",
		":6:5: window is missing" },
	{ "a limit of zero", H "limits:\n  - {name: a, requests: 0, window: 1m}\n",
		":6:25: requests: a whole number from 1" },
	{ "a negative limit", H "limits:\n  - {name: a, tokens: -5, window: 1m}\n",
		":6:23: tokens: a whole number from 1" },
	{ "a window below a second", H "limits:\n  - {name: a, requests: 1, window: 500ms}\n",
		":6:36: window: a duration" },
	{ "a message with a window",
		H "limits:\n  - {name: a, tokens_per_request: 5, window: 1m}\n",
		":6:38: window: tokens_per_request counts nothing over time" },
	{ "money", H "limits:\n  - {name: a, usd: 500, window: 30d}\n",
		":6:15: usd: not supported by this version" },
	{ "concurrency", H "limits:\n  - {name: a, concurrent: 8}\n",
		":6:15: concurrent: not supported by this version" },
	{ "a dimension that is misspelt",
		H "limits:\n  - {name: a, per: [identity.persn], requests: 1, window: 1m}\n",
		":6:21: per: identity.persn: no such field; did you mean identity.person?" },
	{ "a dimension that is a number",
		H "limits:\n  - {name: a, per: [prompt.tokens], requests: 1, window: 1m}\n",
		":6:21: per: prompt.tokens is neither text nor true or false" },
	{ "a dimension that is a list of maps",
		H "limits:\n  - {name: a, per: ['[{1: 2}]'], requests: 1, window: 1m}\n",
		":6:21: per: [{1: 2}] is neither text nor true or false" },
	{ "a dimension that reads the answer",
		H "limits:\n  - {name: a, per: response.model, requests: 1, window: 1m}\n",
		":6:20: per: response.model is known once the answer is there" },
	{ "a dimension in a class that there is not",
		H "limits:\n  - {name: a, per: '\"pi\" in prompt.classes', requests: 1, "
		  "window: 1m}\n",
		":6:5: limit a: no prompt.classes can be \"pi\", did you mean pii?" },
	{ "a conversation's dimension beyond the fourth",
		H "limits:\n  - {name: a, per: [identity.team, identity.tier, model.name], "
		  "tokens_per_conversation: 1}\n",
		":6:89: per: more than 4 dimensions" },
	{ "a conversation of nothing", H "conversation: []\n",
		":5:15: conversation: the list is empty" },
	{ "a conversation of an unknown source", H "conversation: [cookie]\n",
		":5:16: conversation: dialect, hash or {header: NAME} is expected" },
	{ "a source after the last", H "conversation: [hash, dialect]\n",
		":5:22: conversation: hash always gives one" },
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
		":6:21: when: response.status is known once the answer is there" },
};

static void
each_mistake_is_one_line_with_its_position(void **state)
{
	(void)state;
	assert_int_equal(fix_mistakes(rows, COUNT_OF(rows)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_is_one_line_with_its_position),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
