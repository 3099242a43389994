/* Requests in another form: the translation, members that have no place, and that a translation
 * there and back gives the same. Rows are written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "answer/translate/request.h"
#include "base/err.h"

#define USER_TOOL                                                                              \
	"'messages':[{'role':'user','content':'go'},{'role':'assistant','tool_calls':[{'id':'a',"  \
	"'type':'function','function':{'name':'f','arguments':'{}'}}]}"
#define USER "'messages':[{'role':'user','content':'hi'}]"
#define CALL(id, args)                                                                         \
	"{'id':'" id "','type':'function','function':{'name':'f','arguments':'" args "'}}"
#define UNSIGNED ",'thoughtSignature':'skip_thought_signature_validator'"
/* From one form into another; without it, between chat and messages. */
#define INTO(from_, to_) ((unsigned)FORM_##from_ | (unsigned)FORM_##to_ << 8)
#define INTO_MISTRAL(from_) (INTO(from_, CHAT) | 1u << 16)
#define SCHEMA(schema) "{'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':" schema "}}," USER "}"
#define MARK "'cache_control':{'type':'ephemeral'}"
#define CACHED_CHAT \
	"{'messages':[{'role':'system','content':'s','cache_control':{'type':'ephemeral','ttl':'1h'}},{'role':'user','content':[{'type':'text','text':'a'," MARK "}," \
	"{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}," MARK "},{'type':'text','text':'b'}]}," \
	"{'role':'assistant','content':'c','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{}'}," MARK "}]}," \
	"{'role':'tool','tool_call_id':'a','content':'1'," MARK "}]," \
	"'tools':[{'type':'function','function':{'name':'f'}," MARK "},{'type':'function','function':{'name':'g','cache_control':{'type':'ephemeral','ttl':'5m'}}}]}"
#define M1 "{'model':'m','max_tokens':100,"
#define OPTIONAL    "{'type':'object','properties':{'a':{'type':'object','properties':{'b':{'type':'string'}},'additionalProperties':false}},'required':['a'],'additionalProperties':false}"
#define NO_OPTIONAL "{'type':'object','properties':{'a':{'anyOf':[{'type':'array','items':{'type':'object','properties':{},'required':[],'additionalProperties':false}},{'type':'null'}]}},'required':['a'],'additionalProperties':false}"

/* clang-format off */
static const struct row {
	const char *name;
	unsigned from; /* or INTO() */
	const char *in, *want, *refused, *drop;
} rows[] = {
	{ "a text", FORM_CHAT, "{'model':'x'," USER "}", M1 USER "}", NULL, NULL },
	{ "escapes stay as they are", FORM_CHAT,
		"{'messages':[{'role':'user','content':'\\u00e4\\ud83d\\ude00\\n'}]}",
		M1 "'messages':[{'role':'user','content':'\\u00e4\\ud83d\\ude00\\n'}]}", NULL, NULL },
	{ "system texts and developer's are one", FORM_CHAT,
		"{'messages':[{'role':'system','content':'a'},{'role':'developer','content':[{'type':'text','text':'b'}]},{'role':'user','content':'hi'}]}",
		M1 "'system':[{'type':'text','text':'a'},{'type':'text','text':'b'}]," USER "}", NULL, NULL },
	{ "a system text in the middle", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'system','content':'a'}]}", NULL, "messages[1].role", NULL },
	{ "whose place the route lets go", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'system','content':'a'},{'role':'user','content':'b'},{'role':'developer','content':'c'}]}",
		M1 "'system':[{'type':'text','text':'a'},{'type':'text','text':'c'}],'messages':[{'role':'user','content':[{'type':'text','text':'hi'},{'type':'text','text':'b'}]}]}", NULL, "messages[*].role" },
	{ "users who follow each other are one", FORM_CHAT,
		"{'messages':[{'role':'user','content':'a'},{'role':'user','content':' \\n'},{'role':'user','content':'b'}]}",
		M1 "'messages':[{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]}]}", NULL, NULL },
	{ "the first is the assistant's", FORM_CHAT,
		"{'messages':[{'role':'assistant','content':'a'}]}", NULL, "messages[0]", NULL },
	{ "nothing said", FORM_CHAT, "{'messages':[{'role':'user','content':''}]}", NULL, "", NULL },
	{ "settings", FORM_CHAT,
		"{'max_tokens':7,'max_completion_tokens':5,'temperature':0.50,'top_p':0.9,'stop':'x','user':'u'," USER "}",
		"{'model':'m','metadata':{'user_id':'u'},'max_tokens':5,'temperature':0.50,'top_p':0.9,'stop_sequences':['x']," USER "}", NULL, NULL },
	{ "null is nothing", FORM_CHAT, "{'temperature':null,'tools':null,'logit_bias':null," USER "}", M1 USER "}", NULL, NULL },
	{ "too warm", FORM_CHAT, "{'temperature':1.5," USER "}", NULL, "temperature", NULL },
	{ "too warm, and may go", FORM_CHAT, "{'temperature':1.5," USER "}", M1 USER "}", NULL, "temperature" },
	{ "a temperature that has a place goes, too", FORM_CHAT, "{'temperature':0.5," USER "}", M1 USER "}", NULL, "temperature" },
	{ "a member in another", INTO(RESPONSES, CHAT), "{'input':'hi','reasoning':{'effort':'low'}}", "{'model':'m'," USER "}", NULL, "reasoning.effort" },
	{ "a seed", FORM_CHAT, "{'seed':4," USER "}", NULL, "seed", NULL },
	{ "a seed may go", FORM_CHAT, "{'seed':4," USER "}", M1 USER "}", NULL, "seed" },
	{ "two answers", FORM_CHAT, "{'n':2," USER "}", NULL, "n", NULL },
	{ "two answers for Gemini", INTO(CHAT, GENERATE), "{'n':2," USER "}", "{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{'candidateCount':2}}", NULL, NULL },
	{ "more than it gives", INTO(CHAT, GENERATE), "{'n':9," USER "}", NULL, "n", NULL },
	{ "two of Gemini's", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':{'candidateCount':2}}", "{'model':'m','n':2," USER "}", NULL, NULL },
	{ "two of Gemini's for Mistral", INTO(GENERATE, CHAT) | 1 << 16, "{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':{'candidateCount':2}}", "{'model':'m','n':2," USER "}", NULL, NULL },
	{ "two of Gemini's for Anthropic", INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':{'candidateCount':2}}", NULL, "generationConfig.candidateCount", NULL },
	{ "two for responses", INTO(CHAT, RESPONSES), "{'n':2," USER "}", NULL, "n", NULL },
	{ "two for Bedrock", INTO(CHAT, CONVERSE), "{'n':2," USER "}", NULL, "n", NULL },
	{ "two that may go", INTO(CHAT, CONVERSE), "{'n':2," USER "}", "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{}}", NULL, "n" },
	{ "one answer", FORM_CHAT, "{'n':1,'logprobs':false,'modalities':[ 'text' ]," USER "}", M1 USER "}", NULL, NULL },
	{ "what is new is refused", FORM_CHAT, "{'novel':{'a':1}," USER "}", NULL, "novel", NULL },
	{ "a name of a turn may go", FORM_CHAT, "{'messages':[{'role':'user','name':'n','content':'hi'}]}", M1 USER "}", NULL, "messages[*].name" },
	{ "a picture", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD','detail':'auto'}},{'type':'text','text':'what?'}]}]}",
		M1 "'messages':[{'role':'user','content':[{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'}},{'type':'text','text':'what?'}]}]}", NULL, NULL },
	{ "a picture for responses, which needs its detail", INTO(MESSAGES, RESPONSES),
		"{'max_tokens':9,'messages':[{'role':'user','content':[{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'}}]}]}",
		"{'model':'m','max_output_tokens':9,'input':[{'type':'message','role':'user','content':[{'type':'input_image','image_url':'data:image/png;base64,QUJD','detail':'auto'}]}],'store':false}", NULL, NULL },
	{ "a picture by its address", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'https://x/y.png'}}]}]}",
		M1 "'messages':[{'role':'user','content':[{'type':'image','source':{'type':'url','url':'https://x/y.png'}}]}]}", NULL, NULL },
	{ "a picture of no known kind", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/bmp;base64,QUJD'}}]}]}", NULL, "messages[0].content[0].image_url.url", NULL },
	{ "a URI that writes JSON", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/png;base64,Q\\u0022}'}}]}]}", NULL, "messages[0].content[0].image_url.url", NULL },
	{ "a file", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'file','file':{'filename':'a.pdf','file_data':'data:application/pdf;base64,QUJD'}}]}]}",
		M1 "'messages':[{'role':'user','content':[{'type':'document','source':{'type':'base64','media_type':'application/pdf','data':'QUJD'},'title':'a.pdf'}]}]}", NULL, NULL },
	{ "a file that was kept", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'file','file':{'file_id':'f'}}]}]}", NULL, "messages[0].content[0].file.file_id", NULL },
	{ "a file of no kind that Anthropic takes, and no text", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'file','file':{'filename':'a.zip','file_data':'data:application/zip;base64,UEsDBAD/'}}]}]}", NULL, "messages[0].content[0].file", NULL },
	{ "sound of a kind that OpenAI does not take", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'inlineData':{'mimeType':'audio/ogg','data':'QUJD'}}]}]}", NULL, "contents[0].parts[0].inlineData", NULL },
	{ "sound by another name", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'inlineData':{'mimeType':'audio/x-wav','data':'QUJD'}}]}]}",
		"{'model':'m','messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{'data':'QUJD','format':'wav'}}]}]}", NULL, NULL },
	{ "a video of Gemini's", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'inlineData':{'mimeType':'video/mp4','data':'QUJD'}}]}]}", NULL, "contents[0].parts[0].inlineData", NULL },
	{ "for Anthropic", INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'inlineData':{'mimeType':'video/mp4','data':'QUJD'}}]}]}", NULL, "contents[0].parts[0].inlineData", NULL },
	{ "a video by its address", INTO(GENERATE, RESPONSES), "{'contents':[{'parts':[{'fileData':{'mimeType':'video/mp4','fileUri':'https://x/y.mp4'}}]}]}", NULL, "contents[0].parts[0].fileData", NULL },
	{ "one of which nobody says what it is", INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'fileData':{'fileUri':'https://www.youtube.com/watch?v=x'}}]}]}", NULL, "contents[0].parts[0].fileData", NULL },
	{ "that may go", INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'fileData':{'fileUri':'https://www.youtube.com/watch?v=x'}},{'text':'hi'}]}]}", M1 USER "}", NULL, "contents[*].parts[*].fileData" },
	{ "a text by its address, at Anthropic", INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'fileData':{'mimeType':'text/plain','fileUri':'https://x/y.txt'}}]}]}", NULL, "contents[0].parts[0].fileData", NULL },
	{ "a PDF by its address", INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'fileData':{'mimeType':'application/pdf','fileUri':'https://x/y.pdf'}}]}]}",
		M1 "'messages':[{'role':'user','content':[{'type':'document','source':{'type':'url','url':'https://x/y.pdf'}}]}]}", NULL, NULL },
	{ "sound", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{'data':'QUJD','format':'wav'}}]}]}", NULL, "messages[0].content[0].input_audio", NULL },
	{ "tools", FORM_CHAT,
		"{'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object','properties':{}},'strict':true}},{'type':'function','function':{'name':'g'}}],"
		"'tool_choice':'required','parallel_tool_calls':false," USER "}",
		M1 USER ",'tools':[{'name':'f','description':'d','input_schema':{'type':'object','properties':{},'additionalProperties':false},'strict':true},{'name':'g','input_schema':{'type':'object'}}],"
		"'tool_choice':{'type':'any','disable_parallel_tool_use':true}}", NULL, NULL },
	{ "one tool", FORM_CHAT,
		"{'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':{'type':'function','function':{'name':'f'}}," USER "}",
		M1 USER ",'tools':[{'name':'f','input_schema':{'type':'object'}}],'tool_choice':{'type':'tool','name':'f'}}", NULL, NULL },
	{ "a schema that is no object", FORM_CHAT,
		"{'tools':[{'type':'function','function':{'name':'f','parameters':{'anyOf':[]}}}]," USER "}", NULL, "tools[0]", NULL },
	{ "a tool whose description is empty, which Bedrock refuses", INTO(CHAT, CONVERSE), "{'tools':[{'type':'function','function':{'name':'f','description':''}}]," USER "}",
		"{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{},'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}}]}}", NULL, NULL },
	{ "a name that nobody takes", FORM_CHAT, "{'tools':[{'type':'function','function':{'name':'a.b'}}]," USER "}", NULL, "tools[0]", NULL },

	{ "what is cached, at Bedrock", INTO(MESSAGES, CONVERSE),
		"{'max_tokens':9,'system':[{'type':'text','text':'s','cache_control':{'type':'ephemeral'}}],'tools':[{'name':'f','input_schema':{'type':'object'}},{'name':'g','input_schema':{'type':'object'},'cache_control':{'type':'ephemeral','ttl':'1h'}}],"
		"'messages':[{'role':'user','content':'go'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},"
		"{'role':'user','content':[{'type':'text','text':'so?','cache_control':{'type':'ephemeral'}},{'type':'tool_result','tool_use_id':'a','content':'1','cache_control':{'type':'ephemeral'}}]}]}",
		"{'system':[{'text':'s'},{'cachePoint':{'type':'default'}}],'messages':[{'role':'user','content':[{'text':'go'}]},{'role':'assistant','content':[{'toolUse':{'toolUseId':'a','name':'f','input':{}}}]},"
		"{'role':'user','content':[{'toolResult':{'toolUseId':'a','content':[{'text':'1'}],'status':'success'}},{'cachePoint':{'type':'default'}},{'text':'so?'},{'cachePoint':{'type':'default'}}]}],'inferenceConfig':{'maxTokens':9},"
		"'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}},{'toolSpec':{'name':'g','inputSchema':{'json':{'type':'object'}}}},{'cachePoint':{'type':'default','ttl':'1h'}}]}}", NULL, NULL },
	{ "what Bedrock caches, at Anthropic", INTO(CONVERSE, MESSAGES),
		"{'system':[{'text':'s'},{'cachePoint':{'type':'default'}}],'messages':[{'role':'user','content':[{'cachePoint':{'type':'default'}},{'text':'hi'},{'text':' '},{'cachePoint':{'type':'default','ttl':'1h'}}]}],"
		"'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}},{'cachePoint':{'type':'default'}}]}}",
		M1 "'system':[{'type':'text','text':'s','cache_control':{'type':'ephemeral'}}],'messages':[{'role':'user','content':[{'type':'text','text':'hi','cache_control':{'type':'ephemeral','ttl':'1h'}}]}],"
		"'tools':[{'name':'f','input_schema':{'type':'object'},'cache_control':{'type':'ephemeral'}}]}", NULL, NULL },
	{ "all that can be is cached", INTO(MESSAGES, CONVERSE),
		"{'max_tokens':9,'cache_control':{'type':'ephemeral'}," USER "}",
		"{'messages':[{'role':'user','content':[{'text':'hi'},{'cachePoint':{'type':'default'}}]}],'inferenceConfig':{'maxTokens':9}}", NULL, NULL },
	{ "all that can be is cached, by a chat client at Anthropic", FORM_CHAT, "{'cache_control':{'type':'ephemeral','ttl':'1h'}," USER "}",
		M1 USER ",'cache_control':{'type':'ephemeral','ttl':'1h'}}", NULL, NULL },
	{ "a chat client's marks on parts, messages, calls, results and tools, at Anthropic", FORM_CHAT,
		CACHED_CHAT,
		M1 "'system':[{'type':'text','text':'s','cache_control':{'type':'ephemeral','ttl':'1h'}}],'messages':["
		"{'role':'user','content':[{'type':'text','text':'a','cache_control':{'type':'ephemeral'}},{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'},'cache_control':{'type':'ephemeral'}},{'type':'text','text':'b'}]},"
		"{'role':'assistant','content':[{'type':'text','text':'c'},{'type':'tool_use','id':'a','name':'f','input':{},'cache_control':{'type':'ephemeral'}}]},"
		"{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1','cache_control':{'type':'ephemeral'}}]}],"
		"'tools':[{'name':'f','input_schema':{'type':'object'},'cache_control':{'type':'ephemeral'}},{'name':'g','input_schema':{'type':'object'},'cache_control':{'type':'ephemeral','ttl':'5m'}}]}", NULL, NULL },
	{ "a chat client's marks at Bedrock", INTO(CHAT, CONVERSE), CACHED_CHAT,
		"{'system':[{'text':'s'},{'cachePoint':{'type':'default','ttl':'1h'}}],'messages':["
		"{'role':'user','content':[{'text':'a'},{'cachePoint':{'type':'default'}},{'image':{'format':'png','source':{'bytes':'QUJD'}}},{'cachePoint':{'type':'default'}},{'text':'b'}]},"
		"{'role':'assistant','content':[{'text':'c'},{'toolUse':{'toolUseId':'a','name':'f','input':{}}},{'cachePoint':{'type':'default'}}]},"
		"{'role':'user','content':[{'toolResult':{'toolUseId':'a','content':[{'text':'1'}],'status':'success'}},{'cachePoint':{'type':'default'}}]}],'inferenceConfig':{},"
		"'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}},{'cachePoint':{'type':'default'}},{'toolSpec':{'name':'g','inputSchema':{'json':{'type':'object'}}}},{'cachePoint':{'type':'default','ttl':'5m'}}]}}", NULL, NULL },
	{ "a mark that is no object says nothing", FORM_CHAT, "{'messages':[{'role':'user','content':'hi','cache_control':null}]}", M1 USER "}", NULL, NULL },
	{ "words that Anthropic does not enforce are in the description", FORM_CHAT,
		SCHEMA("{'$schema':'https://json-schema.org/draft/2020-12/schema','type':'object','title':'P','required':['age'],'minProperties':1,'properties':{"
			"'age':{'type':'integer','description':'An \\'age\\'','minimum':1,'maximum':130},'name':{'type':'string','pattern':'^\\\\w+$','maxLength':9,'format':'date'},'host':{'type':'string','format':'idn-email'},"
			"'minimum':{'const':'m'},'l':{'type':'array','items':{'type':'number','multipleOf':0.5},'minItems':1,'maxItems':3,'uniqueItems':true},'k':{'type':'array','minItems':2,'prefixItems':[{'type':'string'}]},"
			"'u':{'oneOf':[{'type':'null'},{'type':'string','minLength':1}]},'r':{'$ref':'#/$defs/d','description':'x','default':1}},'$defs':{'d':{'type':'object','additionalProperties':{'type':'string'}}}}"),
		M1 USER ",'output_config':{'format':{'type':'json_schema','schema':{'type':'object','title':'P','required':['age'],'properties':{"
			"'age':{'type':'integer','description':'An \\'age\\'\\n\\n{minimum: 1, maximum: 130}'},'name':{'type':'string','format':'date','description':'{pattern: \\'^\\\\\\\\w+$\\', maxLength: 9}'},'host':{'type':'string','description':'{format: \\'idn-email\\'}'},"
			"'minimum':{'enum':['m']},'l':{'type':'array','items':{'type':'number','description':'{multipleOf: 0.5}'},'minItems':1,'description':'{maxItems: 3, uniqueItems: true}'},'k':{'type':'array','description':'{minItems: 2, prefixItems: [{\\'type\\':\\'string\\'}]}'},"
			"'u':{'anyOf':[{'type':'null'},{'type':'string','description':'{minLength: 1}'}]},'r':{'$ref':'#/$defs/d'}},'$defs':{'d':{'type':'object','additionalProperties':false}},'description':'{minProperties: 1}','additionalProperties':false}}}}", NULL, NULL },
	{ "the default of stop says nothing", INTO(CHAT, RESPONSES), "{'stop':'<|endoftext|>'," USER "}", "{'model':'m','input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]}],'store':false}", NULL, NULL },
	{ "nor Bedrock, in a schema and in a strict tool", INTO(CHAT, CONVERSE),
		"{'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'type':'object','properties':{'a':{'type':'string','minLength':1},'t':{'type':'array','items':[{'type':'string'}]}}}}},"
		"'tools':[{'type':'function','function':{'name':'f','strict':true,'parameters':{'type':'object','properties':{'a':{'type':'integer','minimum':0}}}}},{'type':'function','function':{'name':'g','parameters':{'type':'object','properties':{'a':{'type':'integer','minimum':0}}}}}]," USER "}",
		"{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{},'toolConfig':{'tools':[{'toolSpec':{'name':'f','strict':true,'inputSchema':{'json':{'type':'object','properties':{'a':{'type':'integer','description':'{minimum: 0}'}},'additionalProperties':false}}}},"
		"{'toolSpec':{'name':'g','inputSchema':{'json':{'type':'object','properties':{'a':{'type':'integer','minimum':0}}}}}}]},"
		"'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema':'{\\'type\\':\\'object\\',\\'properties\\':{\\'a\\':{\\'type\\':\\'string\\',\\'description\\':\\'{minLength: 1}\\'},\\'t\\':{\\'type\\':\\'array\\',\\'description\\':\\'{items: [{\\\\\\'type\\\\\\':\\\\\\'string\\\\\\'}]}\\'}},\\'additionalProperties\\':false}','name':'n'}}}}}", NULL, NULL },
	{ "and those of a strict tool, not of another", FORM_CHAT,
		"{'tools':[{'type':'function','function':{'name':'f','strict':true,'parameters':{'type':'object','properties':{'a':{'type':'integer','minimum':0}}}}},{'type':'function','function':{'name':'g','parameters':{'type':'object','properties':{'a':{'type':'integer','minimum':0}}}}}]," USER "}",
		M1 USER ",'tools':[{'name':'f','input_schema':{'type':'object','properties':{'a':{'type':'integer','description':'{minimum: 0}'}},'additionalProperties':false},'strict':true},{'name':'g','input_schema':{'type':'object','properties':{'a':{'type':'integer','minimum':0}}}}]}", NULL, NULL },
	{ "a schema of Bedrock's client", INTO(CONVERSE, MESSAGES),
		"{'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema':'{\\'type\\':\\'object\\',\\'maxProperties\\':2}'}}}},'messages':[{'role':'user','content':[{'text':'hi'}]}]}",
		M1 USER ",'output_config':{'format':{'type':'json_schema','schema':{'type':'object','description':'{maxProperties: 2}','additionalProperties':false}}}}", NULL, NULL },
	{ "a list as the root of the schema, at Anthropic", FORM_CHAT, SCHEMA("{'type':'array','items':{'type':'string'}}"), NULL, "response_format.json_schema.schema", NULL },
	{ "a list by its definition", INTO(CHAT, CONVERSE), SCHEMA("{'$ref':'#/$defs/l','$defs':{'l':{'$ref':'#/$defs/m'},'m':{'type':'array'}}}"), NULL, "response_format.json_schema.schema", NULL },
	{ "an object by its definition", INTO(CHAT, CONVERSE), SCHEMA("{'$ref':'#/$defs/o','$defs':{'o':{'type':'object'}}}"),
		"{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{},'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema':'{\\'$ref\\':\\'#/$defs/o\\',\\'$defs\\':{\\'o\\':{\\'type\\':\\'object\\',\\'additionalProperties\\':false}}}','name':'n'}}}}}", NULL, NULL },
	{ "a reference in a circle", FORM_CHAT, SCHEMA("{'$ref':'#/$defs/o','$defs':{'o':{'$ref':'#/$defs/o'}}}"),
		M1 USER ",'output_config':{'format':{'type':'json_schema','schema':{'$ref':'#/$defs/o','$defs':{'o':{'$ref':'#/$defs/o'}}}}}}", NULL, NULL },
	{ "a list as the root of Google's schema", INTO(GENERATE, MESSAGES),
		"{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':{'responseMimeType':'application/json','responseSchema':{'type':'ARRAY','items':{'type':'STRING'}}}}", NULL, "generationConfig.responseSchema", NULL },
	{ "a schema that is enforced is closed, at Anthropic", FORM_CHAT,
		"{'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'type':'object','properties':{'additionalProperties':{'type':['object','null'],'properties':{}},"
		"'l':{'type':'array','items':{'anyOf':[{'properties':{}},{'type':'object','additionalProperties':true}]}}},'$defs':{'d':{'type':'object'}}}}}," USER
		",'tools':[{'type':'function','function':{'name':'f','strict':true,'parameters':{'type':'object'}}},{'type':'function','function':{'name':'g','parameters':{'type':'object'}}}]}",
		M1 USER ",'tools':[{'name':'f','input_schema':{'type':'object','additionalProperties':false},'strict':true},{'name':'g','input_schema':{'type':'object'}}],"
		"'output_config':{'format':{'type':'json_schema','schema':{'type':'object','properties':{'additionalProperties':{'type':['object','null'],'properties':{},'additionalProperties':false},"
		"'l':{'type':'array','items':{'anyOf':[{'properties':{},'additionalProperties':false},{'type':'object','additionalProperties':false}]}}},'$defs':{'d':{'type':'object','additionalProperties':false}},'additionalProperties':false}}}}", NULL, NULL },
	{ "words that only Google's schemas have", INTO(GENERATE, MESSAGES),
		"{'contents':[{'parts':[{'text':'hi'}]}],'tools':[{'functionDeclarations':[{'name':'f','parameters':{'type':'OBJECT','propertyOrdering':['nullable'],'properties':{'nullable':{'type':'STRING','nullable':true,'example':'x'}}}}]}],"
		"'generationConfig':{'responseMimeType':'application/json','responseSchema':{'type':'OBJECT','properties':{'a':{'type':'STRING'}},'propertyOrdering':['a']}}}",
		M1 USER ",'tools':[{'name':'f','input_schema':{'type':'object','properties':{'nullable':{'type':['string','null']}}}}],"
		"'output_config':{'format':{'type':'json_schema','schema':{'type':'object','properties':{'a':{'type':'string'}},'additionalProperties':false}}}}", NULL, NULL },
	{ "a tool of any text is a function", FORM_CHAT,
		"{'tools':[{'type':'custom','custom':{'name':'f','description':'d','format':{'type':'text'}}}],'tool_choice':{'type':'custom','custom':{'name':'f'}},"
		"'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'custom','custom':{'name':'f','input':'x \\u0022y\\u0022\\n'}}]},"
		"{'role':'tool','tool_call_id':'a','content':'2'}]}",
		M1 "'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{'input':'x \\u0022y\\u0022\\n'}}]},"
		"{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'2'}]}],"
		"'tools':[{'name':'f','description':'d','input_schema':{'type':'object','properties':{'input':{'type':'string'}},'required':['input'],'additionalProperties':false}}],"
		"'tool_choice':{'type':'tool','name':'f'}}", NULL, NULL },
	{ "what OpenAI's Python SDK adds", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'so','parsed':{'a':1},'tool_calls':[{'index':0,'id':'a','type':'function','function':{'name':'f','arguments':'{}','parsed_arguments':{'x':1}}}]},"
		"{'role':'tool','tool_call_id':'a','content':'1'}]}",
		M1 "'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'text','text':'so'},{'type':'tool_use','id':'a','name':'f','input':{}}]},"
		"{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1'}]}]}", NULL, NULL },
	{ "what OpenAI's Agents SDK for JavaScript writes into the text of a message", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'text','text':'so','role':'assistant','refusal':null,'annotations':[],"
		"'tool_calls':[" CALL("a", "{}") "]}],'tool_calls':[" CALL("a", "{}") "]},{'role':'tool','tool_call_id':'a','content':'1'}]}",
		M1 "'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'text','text':'so'},{'type':'tool_use','id':'a','name':'f','input':{}}]},"
		"{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1'}]}]}", NULL, NULL },
	{ "another role in a text", FORM_CHAT, "{'messages':[{'role':'user','content':[{'type':'text','text':'so','role':'system'}]}]}", NULL, "messages[0].content[0].role", NULL },
	{ "calls and results", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':null,'tool_calls':[" CALL("a", "{\\u0022x\\u0022:1}") "," CALL("b", "") "]},"
		"{'role':'tool','tool_call_id':'b','content':'2'},{'role':'tool','tool_call_id':'a','content':[{'type':'text','text':'1'}]},{'role':'user','content':'so?'}]}",
		M1 "'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{'x':1}},{'type':'tool_use','id':'b','name':'f','input':{}}]},"
		"{'role':'user','content':[{'type':'tool_result','tool_use_id':'b','content':'2'},{'type':'tool_result','tool_use_id':'a','content':'1'},{'type':'text','text':'so?'}]}]}", NULL, NULL },
	{ "a result of no call", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'tool','tool_call_id':'b','content':'2'}]}", NULL, "messages[1]", NULL },
	{ "two results of a call", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "") "]},{'role':'tool','tool_call_id':'a','content':'2'},{'role':'tool','tool_call_id':'a','content':'2'}]}", NULL, "messages[3]", NULL },
	{ "an id used twice", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "") "," CALL("a", "") "]}]}", NULL, "messages[1].tool_calls[0]", NULL },
	{ "a schema of the answer", FORM_CHAT,
		"{'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,'schema':{'type':'object'}}}," USER "}",
		M1 USER ",'output_config':{'format':{'type':'json_schema','schema':{'type':'object','additionalProperties':false}}}}", NULL, NULL },
	{ "a schema of the answer with an optional member", INTO(MESSAGES, CHAT),
		"{'max_tokens':9,'output_config':{'format':{'type':'json_schema','schema':" OPTIONAL "}}," USER "}",
		"{'model':'m','max_completion_tokens':9," USER ",'response_format':{'type':'json_schema','json_schema':{'name':'answer','schema':" OPTIONAL "}}}", NULL, NULL },
	{ "a schema of the answer without one", INTO(MESSAGES, RESPONSES),
		"{'max_tokens':9,'output_config':{'format':{'type':'json_schema','schema':" NO_OPTIONAL "}}," USER "}",
		"{'model':'m','max_output_tokens':9,'input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]}],"
		"'text':{'format':{'type':'json_schema','name':'answer','schema':" NO_OPTIONAL ",'strict':true}},'store':false}", NULL, NULL },
	{ "a strict tool with an optional member", INTO(MESSAGES, CHAT),
		"{'max_tokens':9,'tools':[{'name':'f','strict':true,'input_schema':" OPTIONAL "},{'name':'g','strict':true,'input_schema':" NO_OPTIONAL "}]," USER "}",
		"{'model':'m','max_completion_tokens':9," USER ",'tools':[{'type':'function','function':{'name':'f','parameters':" OPTIONAL "}},"
		"{'type':'function','function':{'name':'g','parameters':" NO_OPTIONAL ",'strict':true}}]}", NULL, NULL },
	{ "which OpenAI's own client has decided", INTO(RESPONSES, CHAT),
		"{'input':'hi','tools':[{'type':'function','name':'f','strict':true,'parameters':" OPTIONAL "}]}",
		"{'model':'m'," USER ",'tools':[{'type':'function','function':{'name':'f','parameters':" OPTIONAL ",'strict':true}}]}", NULL, NULL },
	{ "the effort of Claude at Bedrock, in its own member", INTO(CONVERSE, MESSAGES),
		"{'messages':[{'role':'user','content':[{'text':'hi'}]}],'additionalModelRequestFields':{'output_config':{'effort':'low'},'anthropic_beta':['x']}}",
		M1 USER ",'thinking':{'type':'adaptive'},'output_config':{'effort':'low'}}", NULL, NULL },
	{ "what OpenAI keeps", INTO(RESPONSES, CHAT), "{'input':[{'type':'item_reference','id':'msg_1'},{'role':'user','content':'hi'}]}", NULL, "input[0].type", NULL },
	{ "any JSON", FORM_CHAT, "{'response_format':{'type':'json_object'}," USER "}", NULL, "response_format.type", NULL },
	{ "effort", FORM_CHAT, "{'reasoning_effort':'high'," USER "}",
		M1 USER ",'thinking':{'type':'adaptive'},'output_config':{'effort':'high'}}", NULL, NULL },
	{ "no effort", FORM_CHAT, "{'reasoning_effort':'none'," USER "}", M1 USER ",'thinking':{'type':'disabled'}}", NULL, NULL },
	{ "a stream", FORM_CHAT, "{'stream':true,'stream_options':{'include_usage':true}," USER "}", M1 USER ",'stream':true}", NULL, NULL },
	{ "what it thought goes", FORM_CHAT,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','reasoning_content':'hm','content':'a','annotations':[],'refusal':null},{'role':'user','content':'b'}]}",
		M1 "'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'a'},{'role':'user','content':'b'}]}", NULL, NULL },
	{ "a turn of an unknown role", FORM_CHAT, "{'messages':[{'role':'oracle','content':'hi'}]}", NULL, "messages[0].role", NULL },
	{ "a member twice", FORM_CHAT, "{'messages':[{'role':'user','content':[{'type':'text','text':'a','image_url':{}}]}]}", NULL, "messages[0].content[0].image_url", NULL },
	{ "of another type", FORM_CHAT, "{'temperature':'warm'," USER "}", NULL, "temperature", NULL },

	/* the reverse */
	{ "a text", FORM_MESSAGES, "{'max_tokens':9," USER "}", "{'model':'m','max_completion_tokens':9," USER "}", NULL, NULL },
	{ "system blocks", FORM_MESSAGES,
		"{'max_tokens':9,'system':[{'type':'text','text':'a','cache_control':{'type':'ephemeral'}},{'type':'text','text':'b'}]," USER "}",
		"{'model':'m','max_completion_tokens':9,'messages':[{'role':'system','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]},{'role':'user','content':'hi'}]}", NULL, NULL },
	{ "settings", FORM_MESSAGES,
		"{'max_tokens':9,'temperature':1,'stop_sequences':['x','y'],'metadata':{'user_id':'u'},'thinking':{'type':'enabled','budget_tokens':9000}," USER "}",
		"{'model':'m','max_completion_tokens':9,'temperature':1,'stop':['x','y'],'safety_identifier':'u'," USER ",'reasoning_effort':'medium'}", NULL, NULL },
	{ "top_k", FORM_MESSAGES, "{'max_tokens':9,'top_k':4," USER "}", NULL, "top_k", NULL },
	{ "five words to stop at", FORM_MESSAGES, "{'stop_sequences':['1','2','3','4','5']," USER "}", NULL, "stop_sequences", NULL },
	{ "calls, results, and what is no text in them", FORM_MESSAGES,
		"{'max_tokens':9,'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'s'},{'type':'text','text':'I look'},{'type':'tool_use','id':'a','name':'f','input':{ 'x' : 1}}]},"
		"{'role':'user','content':[{'type':'text','text':'so?'},{'type':'tool_result','tool_use_id':'a','is_error':false,'content':[{'type':'text','text':'1'},{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'}}]}]}]}",
		"{'model':'m','max_completion_tokens':9,'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{ \\'x\\' : 1}'}}],'content':'I look'},"
		"{'role':'tool','tool_call_id':'a','content':'1'},{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}},{'type':'text','text':'so?'}]}]}", NULL, NULL },
	{ "a tool that failed", FORM_MESSAGES,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','is_error':true,'content':'no'}]}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},"
		"{'role':'tool','tool_call_id':'a','content':[{'type':'text','text':'The tool failed:'},{'type':'text','text':'no'}]}]}", NULL, NULL },
	{ "an id that no other form takes", FORM_MESSAGES,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a b','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a b'}]}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'ID','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},"
		"{'role':'tool','tool_call_id':'ID','content':''}]}", NULL, NULL },
	{ "tools", FORM_MESSAGES,
		"{'tools':[{'name':'f','description':'d','input_schema':{'type':'object'},'cache_control':{}}],'tool_choice':{'type':'any','disable_parallel_tool_use':true}," USER "}",
		"{'model':'m'," USER ",'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'}}}],'tool_choice':'required','parallel_tool_calls':false}", NULL, NULL },
	{ "a tool that the provider runs", FORM_MESSAGES, "{'tools':[{'type':'web_search_20250305','name':'web_search'}]," USER "}", NULL, "tools[0].type", NULL },
	{ "a tool that the provider runs may go", FORM_MESSAGES, "{'tools':[{'type':'web_search_20250305','name':'web_search'}]," USER "}", "{'model':'m'," USER "}", NULL, "tools[*].type" },
	{ "servers that it asks", FORM_MESSAGES, "{'mcp_servers':[{'type':'url','url':'https://x'}]," USER "}", NULL, "mcp_servers", NULL },
	{ "a text document is a text", FORM_MESSAGES,
		"{'messages':[{'role':'user','content':[{'type':'document','source':{'type':'text','media_type':'text/plain','data':'hello'},'title':'t'},{'type':'text','text':'so?'}]}]}",
		"{'model':'m','messages':[{'role':'user','content':[{'type':'text','text':'t'},{'type':'text','text':'hello'},{'type':'text','text':'so?'}]}]}", NULL, NULL },
	{ "a document by its address", FORM_MESSAGES,
		"{'messages':[{'role':'user','content':[{'type':'document','source':{'type':'url','url':'https://x'}}]}]}", NULL, "messages[0].content[0]", NULL },
	{ "a member of another block", FORM_MESSAGES, "{'messages':[{'role':'user','content':[{'type':'text','text':'a','id':'b'}]}]}", NULL, "messages[0].content[0].id", NULL },
	{ "a stream", FORM_MESSAGES, "{'stream':true," USER "}", "{'model':'m'," USER ",'stream':true,'stream_options':{'include_usage':true}}", NULL, NULL },
	{ "what agents send", FORM_MESSAGES,
		"{'betas':['x'],'context_management':{'edits':[]},'service_tier':'auto','thinking':{'type':'adaptive','display':'omitted'},'output_config':{'effort':'max'}," USER "}",
		"{'model':'m'," USER ",'reasoning_effort':'xhigh'}", NULL, NULL },
	/* responses */
	{ "a text and instructions", INTO(RESPONSES, CHAT), "{'instructions':'s','input':'hi','max_output_tokens':5,'store':false,'include':['reasoning.encrypted_content']}",
		"{'model':'m','max_completion_tokens':5,'messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'}]}", NULL, NULL },
	{ "items", INTO(RESPONSES, MESSAGES),
		"{'input':[{'role':'developer','content':'s'},{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'},{'type':'input_image','image_url':'data:image/png;base64,QUJD','detail':'auto'}]},"
		"{'type':'reasoning','id':'rs','summary':[],'encrypted_content':'x'},{'type':'message','id':'m','status':'completed','role':'assistant','content':[{'type':'output_text','text':'I look','annotations':[]}]},"
		"{'type':'function_call','id':'fc','call_id':'a','name':'f','arguments':'{\\u0022x\\u0022:1}','status':'completed'},{'type':'function_call','call_id':'b','name':'f','arguments':''},"
		"{'type':'function_call_output','call_id':'a','output':'1'},{'type':'function_call_output','call_id':'b','output':[{'type':'input_text','text':'2'}]}]}",
		M1 "'system':'s','messages':[{'role':'user','content':[{'type':'text','text':'hi'},{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'}}]},"
		"{'role':'assistant','content':[{'type':'text','text':'I look'},{'type':'tool_use','id':'a','name':'f','input':{'x':1}},{'type':'tool_use','id':'b','name':'f','input':{}}]},"
		"{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1'},{'type':'tool_result','tool_use_id':'b','content':'2'}]}]}", NULL, NULL },
	{ "a response that is kept", INTO(RESPONSES, CHAT), "{'previous_response_id':'r','input':'hi'}", NULL, "previous_response_id", NULL },
	{ "a tool that the provider runs", INTO(RESPONSES, CHAT), "{'tools':[{'type':'web_search'}],'input':'hi'}", NULL, "tools[0].type", NULL },
	{ "an item that is kept", INTO(RESPONSES, CHAT), "{'input':[{'type':'item_reference','id':'x'}]}", NULL, "input[0].type", NULL },
	{ "a chat as responses", INTO(CHAT, RESPONSES),
		"{'messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'},{'role':'assistant','content':'w','tool_calls':[" CALL("a", "{}") "]},{'role':'tool','tool_call_id':'a','content':'1'}],"
		"'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}],'tool_choice':'none','reasoning_effort':'low','stream':true}",
		"{'model':'m','input':[{'type':'message','role':'system','content':[{'type':'input_text','text':'s'}]},{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]},"
		"{'type':'message','role':'assistant','content':[{'type':'output_text','text':'w'}]},{'type':'function_call','call_id':'a','name':'f','arguments':'{}'},{'type':'function_call_output','call_id':'a','output':'1'}],"
		"'tools':[{'type':'function','name':'f','parameters':{'type':'object'},'strict':false}],'tool_choice':'none','reasoning':{'effort':'low'},'stream':true,'store':false}", NULL, NULL },
	{ "what stops it", INTO(CHAT, RESPONSES), "{'stop':['x']," USER "}", NULL, "stop", NULL },

	/* generate */
	{ "settings, a system text, tools of Google's schemas", INTO(GENERATE, MESSAGES),
		"{'systemInstruction':{'role':'user','parts':[{'text':'s'}]},'contents':[{'role':'user','parts':[{'text':'hi'}]}],"
		"'tools':[{'functionDeclarations':[{'name':'f','description':'d','parameters':{'type':'OBJECT','properties':{'type':{'type':'STRING'}}}}]}],'toolConfig':{'functionCallingConfig':{'mode':'ANY','allowedFunctionNames':['f']}},"
		"'generationConfig':{'maxOutputTokens':5,'temperature':1,'topK':3,'stopSequences':['x'],'thinkingConfig':{'thinkingBudget':5000},'candidateCount':1}}",
		"{'model':'m','max_tokens':5,'temperature':1,'top_k':3,'stop_sequences':['x'],'system':'s'," USER ",'tools':[{'name':'f','description':'d','input_schema':{'type':'object','properties':{'type':{'type':'string'}}}}],"
		"'tool_choice':{'type':'tool','name':'f'},'output_config':{'effort':'medium'}}", NULL, NULL },
	{ "calls without ids", INTO(GENERATE, CHAT),
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'name':'f','args':{'x':1}},'thoughtSignature':'s'},{'functionCall':{'name':'f'}},{'text':'hm','thought':true}]},"
		"{'role':'user','parts':[{'functionResponse':{'name':'f','response':{'output':'1'}}},{'functionResponse':{'name':'f','response':{'a':2}}}]}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'ID','type':'function','function':{'name':'f','arguments':'{\\'x\\':1}'}},{'id':'ID','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},"
		"{'role':'tool','tool_call_id':'ID','content':'1'},{'role':'tool','tool_call_id':'ID','content':'{\\'a\\':2}'}]}", NULL, NULL },
	{ "results without ids, in any order and in two turns", INTO(GENERATE, CHAT),
		"{'contents':[{'parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'name':'f'}},{'functionCall':{'id':'a','name':'g'}},{'functionCall':{'id':'b','name':'f'}}]},"
		"{'role':'function','parts':[{'functionResponse':{'name':'g','response':{'output':'1'}}}]},{'parts':[{'functionResponse':{'id':'b','name':'f','response':{'output':'2'}}},{'functionResponse':{'name':'f','response':{'output':'3'}}}]}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'ID','type':'function','function':{'name':'f','arguments':'{}'}},{'id':'a','type':'function','function':{'name':'g','arguments':'{}'}},{'id':'b','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},"
		"{'role':'tool','tool_call_id':'a','content':'1'},{'role':'tool','tool_call_id':'b','content':'2'},{'role':'tool','tool_call_id':'ID','content':'3'}]}", NULL, NULL },
	{ "a role that Gemini has not", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'a'}]},{'role':'system','parts':[{'text':'b'}]}]}", NULL, "contents[1].role", NULL },
	{ "a function that says more than its result", INTO(GENERATE, CHAT), "{'contents':[{'role':'function','parts':[{'text':'a'}]}]}", NULL, "contents[0].role", NULL },
	{ "what is cached", INTO(GENERATE, CHAT), "{'cachedContent':'c','contents':[]}", NULL, "cachedContent", NULL },
	{ "an effort in small letters", INTO(GENERATE, CHAT),
		"{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':{'thinkingConfig':{'thinkingLevel':'high'}}}",
		"{'model':'m'," USER ",'reasoning_effort':'high'}", NULL, NULL },
	{ "a tool that Google runs", INTO(GENERATE, CHAT), "{'tools':[{'googleSearch':{}}],'contents':[]}", NULL, "tools[0].googleSearch", NULL },
	{ "calls for Gemini, of an answer that is over and of one under way", INTO(CHAT, GENERATE),
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "{}") "]},{'role':'tool','tool_call_id':'a','content':'1'},{'role':'user','content':'on'},"
		"{'role':'assistant','content':'so','tool_calls':[" CALL("b", "{}") "," CALL("c", "{}") "]},{'role':'tool','tool_call_id':'b','content':'2'},{'role':'tool','tool_call_id':'c','content':'3'},"
		"{'role':'assistant','tool_calls':[" CALL("d", "{}") "]},{'role':'tool','tool_call_id':'d','content':'4'}]}",
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'id':'a','name':'f','args':{}}}]},"
		"{'role':'user','parts':[{'functionResponse':{'id':'a','name':'f','response':{'output':'1'}}},{'text':'on'}]},"
		"{'role':'model','parts':[{'text':'so'},{'functionCall':{'id':'b','name':'f','args':{}}" UNSIGNED "},{'functionCall':{'id':'c','name':'f','args':{}}}]},"
		"{'role':'user','parts':[{'functionResponse':{'id':'b','name':'f','response':{'output':'2'}}},{'functionResponse':{'id':'c','name':'f','response':{'output':'3'}}}]},"
		"{'role':'model','parts':[{'functionCall':{'id':'d','name':'f','args':{}}" UNSIGNED "}]},"
		"{'role':'user','parts':[{'functionResponse':{'id':'d','name':'f','response':{'output':'4'}}}]}],'generationConfig':{}}", NULL, NULL },
	{ "a chat for Gemini", INTO(CHAT, GENERATE),
		"{'messages':[{'role':'system','content':'s'},{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "{}") "]},{'role':'tool','tool_call_id':'a','content':'1'}],"
		"'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}],'max_tokens':5,'reasoning_effort':'none','seed':3}",
		"{'systemInstruction':{'parts':[{'text':'s'}]},'contents':[{'role':'user','parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'id':'a','name':'f','args':{}}" UNSIGNED "}]},"
		"{'role':'user','parts':[{'functionResponse':{'id':'a','name':'f','response':{'output':'1'}}}]}],'tools':[{'functionDeclarations':[{'name':'f','parametersJsonSchema':{'type':'object'}}]}],"
		"'generationConfig':{'maxOutputTokens':5,'seed':3,'thinkingConfig':{'thinkingBudget':0}}}", NULL, NULL },

	/* converse */
	{ "blocks", INTO(CONVERSE, MESSAGES),
		"{'system':[{'text':'s'},{'cachePoint':{'type':'default'}}],'messages':[{'role':'user','content':[{'text':'hi'},{'image':{'format':'png','source':{'bytes':'QUJD'}}}]},"
		"{'role':'assistant','content':[{'reasoningContent':{'reasoningText':{'text':'hm','signature':'s'}}},{'toolUse':{'toolUseId':'a','name':'f','input':{'x':1}}}]},"
		"{'role':'user','content':[{'toolResult':{'toolUseId':'a','status':'error','content':[{'json':{'y':2}}]}}]}],'inferenceConfig':{'maxTokens':5},'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}}],'toolChoice':{'any':{}}}}",
		"{'model':'m','max_tokens':5,'system':[{'type':'text','text':'s','cache_control':{'type':'ephemeral'}}],'messages':[{'role':'user','content':[{'type':'text','text':'hi'},{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'}}]},"
		"{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{'x':1}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'{\\'y\\':2}','is_error':true}]}],"
		"'tools':[{'name':'f','input_schema':{'type':'object'}}],'tool_choice':{'type':'any'}}", NULL, NULL },
	{ "a schema of Bedrock's", INTO(CONVERSE, GENERATE),
		"{'messages':[{'role':'user','content':[{'text':'hi'}]}],'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema':'{\\'type\\':\\'object\\'}','name':'n'}}}}}",
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{'responseMimeType':'application/json','responseJsonSchema':{'type':'object'}}}", NULL, NULL },
	{ "any JSON, for Gemini", INTO(CHAT, GENERATE),
		"{'messages':[{'role':'user','content':'hi'}],'response_format':{'type':'json_object'}}",
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{'responseMimeType':'application/json'}}", NULL, NULL },
	{ "any JSON of Gemini's", INTO(GENERATE, CHAT),
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{'responseMimeType':'application/json'}}",
		"{'model':'m','messages':[{'role':'user','content':'hi'}],'response_format':{'type':'json_object'}}", NULL, NULL },
	{ "any JSON, for responses", INTO(CHAT, RESPONSES),
		"{'messages':[{'role':'user','content':'hi'}],'response_format':{'type':'json_object'}}",
		"{'model':'m','input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]}],'text':{'format':{'type':'json_object'}},'store':false}", NULL, NULL },
	{ "any JSON of responses", INTO(RESPONSES, GENERATE), "{'input':'hi','text':{'format':{'type':'json_object'}}}",
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{'responseMimeType':'application/json'}}", NULL, NULL },
	{ "any JSON of Gemini's, for Bedrock", INTO(GENERATE, CONVERSE),
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{'responseMimeType':'application/json'}}",
		NULL, "generationConfig.responseMimeType", NULL },
	{ "what is no schema", INTO(CONVERSE, GENERATE),
		"{'messages':[],'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema':'[]'}}}}}",
		NULL, "outputConfig.textFormat.structure.jsonSchema.schema", NULL },
	{ "what only a model has", INTO(CONVERSE, CHAT), "{'additionalModelRequestFields':{'k':1},'messages':[]}", NULL, "additionalModelRequestFields.k", NULL },
	{ "a chat for Bedrock, with calls and no tools", INTO(CHAT, CONVERSE),
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "{}") "," CALL("b", "{}") "]},{'role':'tool','tool_call_id':'a','content':'1'},{'role':'tool','tool_call_id':'b','content':'2'}],'max_tokens':5}",
		"{'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[{'toolUse':{'toolUseId':'a','name':'f','input':{}}},{'toolUse':{'toolUseId':'b','name':'f','input':{}}}]},"
		"{'role':'user','content':[{'toolResult':{'toolUseId':'a','content':[{'text':'1'}],'status':'success'}},{'toolResult':{'toolUseId':'b','content':[{'text':'2'}],'status':'success'}}]}],"
		"'inferenceConfig':{'maxTokens':5},'toolConfig':{'tools':[{'toolSpec':{'name':'no_tool','inputSchema':{'json':{'type':'object'}}}}]}}", NULL, NULL },
	{ "a picture by its address", INTO(CHAT, CONVERSE),
		"{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'https://x/y.png'}}]}]}", NULL, "messages[0].content[0].image_url.url", NULL },
	{ "for whom it is", INTO(MESSAGES, CONVERSE), "{'max_tokens':5,'metadata':{'user_id':'u'}," USER "}",
		"{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{'maxTokens':5}}", NULL, NULL },
	{ "a schema for Bedrock", INTO(CHAT, CONVERSE),
		"{'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'type':'object'}}}," USER "}",
		"{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{},'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{'schema':'{\\'type\\':\\'object\\',\\'additionalProperties\\':false}','name':'n'}}}}}", NULL, NULL },

	/* members that may be omitted are missing */
	{ "no tool may be called, and that may go", INTO(CHAT, CONVERSE),
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "{}") "]},{'role':'tool','tool_call_id':'a','content':'1'}],'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':'none'}",
		"{'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[{'toolUse':{'toolUseId':'a','name':'f','input':{}}}]},{'role':'user','content':[{'toolResult':{'toolUseId':'a','content':[{'text':'1'}],'status':'success'}}]}],"
		"'inferenceConfig':{},'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}}]}}", NULL, "tool_choice" },
	{ "a document by its address may go", INTO(MESSAGES, CHAT),
		"{'messages':[{'role':'user','content':[{'type':'document','source':{'type':'url','url':'https://x'}},{'type':'text','text':'a'}]}]}",
		"{'model':'m','messages':[{'role':'user','content':[{'type':'text','text':'a'}]}]}", NULL, "messages[*].content[*]" },
	{ "a picture of no known kind may go", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'data:image/bmp;base64,QUJD'}},{'type':'text','text':'hi'}]}]}", M1 USER "}", NULL, "messages[*].content[*].image_url.url" },
	{ "a file of another kind may go", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'file','file':{'file_data':'data:application/zip;base64,UEsDBAD/'}},{'type':'text','text':'hi'},{'type':'text','text':'ho'}]}]}",
		M1 "'messages':[{'role':'user','content':[{'type':'text','text':'hi'},{'type':'text','text':'ho'}]}]}", NULL, "messages[*].content[*].file" },
	{ "a file by its address may go", FORM_CHAT,
		"{'messages':[{'role':'user','content':[{'type':'file','file':{'filename':'n','file_data':'https://x'}},{'type':'text','text':'hi'}]}]}", M1 USER "}", NULL, "messages[*].content[*].file.file_data" },
	{ "five words to stop at may go", FORM_MESSAGES, "{'stop_sequences':['1','2','3','4','5']," USER "}", "{'model':'m'," USER "}", NULL, "stop_sequences" },

	/* a tool's result keeps its text; members that only name the caller are not needed */
	{ "a result that is a text document", FORM_MESSAGES,
		"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':[{'type':'document','source':{'type':'text','media_type':'text/plain','data':'d'}}]}]}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},{'role':'tool','tool_call_id':'a','content':[{'type':'text','text':'d'}]}]}", NULL, NULL },
	{ "a user for Gemini", INTO(MESSAGES, GENERATE), "{'metadata':{'user_id':'u'}," USER "}", "{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{}}", NULL, NULL },
	{ "a user for Bedrock", INTO(CHAT, CONVERSE), "{'user':'u','safety_identifier':'s'," USER "}", "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{}}", NULL, NULL },

	/* Gemini's members as its own pages spell them */
	{ "snake_case, and one element for a list", INTO(GENERATE, CHAT),
		"{'system_instruction':{'parts':{'text':'s'}},'contents':{'parts':[{'text':'hi'},{'inline_data':{'mime_type':'image/jpg','data':'QUJD'}}]},"
		"'tools':{'function_declarations':{'name':'f','parameters':{'type':'OBJECT','properties':{'user_name':{'type':'STRING'}}}}},'tool_config':{'function_calling_config':{'mode':'ANY','allowed_function_names':['f']}},"
		"'generation_config':{'max_output_tokens':5,'top_p':0.5,'stop_sequences':['x'],'thinking_config':{'thinking_budget':-1}}}",
		"{'model':'m','max_completion_tokens':5,'top_p':0.5,'stop':['x'],'messages':[{'role':'system','content':'s'},{'role':'user','content':[{'type':'text','text':'hi'},{'type':'image_url','image_url':{'url':'data:image/jpeg;base64,QUJD'}}]}],"
		"'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object','properties':{'user_name':{'type':'string'}}}}}],'tool_choice':{'type':'function','function':{'name':'f'}}}", NULL, NULL },
	{ "calls and results so", INTO(GENERATE, CHAT),
		"{'contents':[{'parts':{'text':'hi'}},{'role':'model','parts':{'function_call':{'id':'a','name':'f','args':{'my_key':{'parts':{}}}}}},{'parts':{'function_response':{'id':'a','name':'f','response':{'my_key':1}}}}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{\\'my_key\\':{\\'parts\\':{}}}'}}],'content':null},{'role':'tool','tool_call_id':'a','content':'{\\'my_key\\':1}'}]}", NULL, NULL },
	{ "what has no place is named so, too", INTO(GENERATE, CHAT), "{'contents':{'parts':{'text':'hi'}},'cached_content':'c'}", NULL, "cachedContent", NULL },

	/* Mistral's chat */
	{ "an OpenAI client at Mistral", INTO_MISTRAL(CHAT),
		"{'max_completion_tokens':5,'seed':4,'user':'u','stream':true,'stream_options':{'include_usage':true},'safe_prompt':true,"
		"'messages':[{'role':'user','content':'go'},{'role':'assistant','tool_calls':[{'id':'abcdefghi','type':'function','function':{'name':'f','arguments':'{}'}}]},"
		"{'role':'tool','tool_call_id':'abcdefghi','name':'f','content':'1'}]}",
		"{'model':'m','max_tokens':5,'random_seed':4,'safe_prompt':true,'messages':[{'role':'user','content':'go'},{'role':'assistant','tool_calls':[{'id':'abcdefghi','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},"
		"{'role':'tool','tool_call_id':'abcdefghi','content':'1'}],'stream':true}", NULL, NULL },
	{ "a member of Mistral's elsewhere", FORM_CHAT, "{'safe_prompt':true," USER "}", NULL, "safe_prompt", NULL },
	{ "settings for Mistral", INTO_MISTRAL(GENERATE),
		"{'contents':[{'parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'id':'a','name':'f'}}]},{'parts':[{'functionResponse':{'id':'a','name':'f','response':{'output':'1'}}}]}],'generationConfig':{'maxOutputTokens':5,'seed':3}}",
		"{'model':'m','max_tokens':5,'random_seed':3,'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'44bd8ad47','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},{'role':'tool','tool_call_id':'44bd8ad47','content':'1'}]}", NULL, NULL },
	{ "a stream and a user for Mistral", INTO_MISTRAL(MESSAGES), "{'max_tokens':5,'stream':true,'metadata':{'user_id':'u'}," USER "}", "{'model':'m','max_tokens':5," USER ",'stream':true}", NULL, NULL },
	{ "too warm for Mistral", INTO_MISTRAL(RESPONSES), "{'temperature':1.6,'input':'hi'}", NULL, "temperature", NULL },

	/* amount of reasoning */
	{ "as it likes", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':{'thinkingConfig':{'thinkingBudget':-1}}}", "{'model':'m'," USER "}", NULL, NULL },
	{ "not at all, whatever else it says", FORM_MESSAGES, "{'thinking':{'type':'disabled'},'output_config':{'effort':'high'}," USER "}", "{'model':'m'," USER ",'reasoning_effort':'none'}", NULL, NULL },
	{ "not at all as responses", INTO(CHAT, RESPONSES), "{'reasoning_effort':'none'," USER "}",
		"{'model':'m','input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]}],'reasoning':{'effort':'none'},'store':false}", NULL, NULL },
	{ "a schema that need not be kept to", INTO(RESPONSES, CHAT), "{'input':'hi','text':{'format':{'type':'json_schema','name':'n','schema':{}}}}",
		"{'model':'m'," USER ",'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{}}}}", NULL, NULL },
	{ "a schema of Anthropic's", FORM_MESSAGES, "{'output_config':{'format':{'type':'json_schema','schema':{}}}," USER "}",
		"{'model':'m'," USER ",'response_format':{'type':'json_schema','json_schema':{'name':'answer','schema':{}}}}", NULL, NULL },
	{ "to Anthropic, too", INTO(CHAT, MESSAGES), "{'tool_choice':{'type':'function','function':{'name':'f'}}," USER "}", NULL, "tool_choice", NULL },
	{ "and to Gemini", INTO(MESSAGES, GENERATE), "{'tool_choice':{'type':'any'}," USER "}", NULL, "tool_choice", NULL },
	{ "or that may go", INTO(CHAT, MESSAGES), "{'tool_choice':'required'," USER "}", M1 USER "}", NULL, "tool_choice" },
	{ "where none is to be called there need be none", FORM_CHAT, "{'tool_choice':'none','tools':[]," USER "}", M1 USER "}", NULL, NULL },
	{ "a tool has to be called, and there is none", INTO(CHAT, CONVERSE), "{'tool_choice':'required'," USER "}", NULL, "tool_choice", NULL },
	{ "one call at a time, of no tool", INTO(CHAT, CONVERSE), "{'parallel_tool_calls':false," USER "}", "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'inferenceConfig':{}}", NULL, NULL },
	{ "one call at a time, of no tool, for Gemini", INTO(CHAT, GENERATE), "{'parallel_tool_calls':false," USER "}", "{'contents':[{'role':'user','parts':[{'text':'hi'}]}],'generationConfig':{}}", NULL, NULL },

	/* unusual content, and content that must not be lost */
	{ "blanks in a result", FORM_MESSAGES, "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':[{'type':'text','text':' \\n'},{'type':'text','text':'x'}]}]}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},{'role':'tool','tool_call_id':'a','content':'x'}]}", NULL, NULL },
	{ "a call of the user's", FORM_MESSAGES, "{'messages':[{'role':'user','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]}]}", NULL, "messages[0].content[0]", NULL },
	{ "a result of the model's", INTO(MESSAGES, GENERATE), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_result','tool_use_id':'a'}]}]}", NULL, "messages[1].content[0]", NULL },
	{ "texts of a result for Gemini", INTO(MESSAGES, GENERATE), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':[{'type':'text','text':'x'},{'type':'document','source':{'type':'text','data':'y'}},{'type':'image','source':{'type':'base64','media_type':'image/png','data':'QUJD'}}]}]}]}",
		"{'contents':[{'role':'user','parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'id':'a','name':'f','args':{}}" UNSIGNED "}]},"
		"{'role':'user','parts':[{'functionResponse':{'id':'a','name':'f','response':{'output':'x\\ny'}}},{'inlineData':{'mimeType':'image/png','data':'QUJD'}}]}],'generationConfig':{}}", NULL, NULL },
	{ "a call in a result for Gemini", INTO(MESSAGES, GENERATE), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':[{'type':'tool_use','id':'b','name':'f','input':{}}]}]}]}", NULL, "messages[2].content[0].content[0]", NULL },
	{ "no error", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'hi'}]},{'role':'model','parts':[{'functionCall':{'id':'a','name':'f'}}]},{'parts':[{'functionResponse':{'id':'a','name':'f','response':{'error':null}}}]}]}", "{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{'id':'a','type':'function','function':{'name':'f','arguments':'{}'}}],'content':null},{'role':'tool','tool_call_id':'a','content':'{\\'error\\':null}'}]}", NULL, NULL },
	{ "a file that Google keeps", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'fileData':{'mimeType':'image/png','fileUri':'gs://b/o'}}]}]}", NULL, "contents[0].parts[0].fileData.fileUri", NULL },
	{ "a file of the Files API may go", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'fileData':{'mimeType':'image/png','fileUri':'https://generativelanguage.googleapis.com/v1beta/files/x'}},{'text':'hi'}]}]}",
		"{'model':'m'," USER "}", NULL, "contents[*].parts[*].fileData.fileUri" },
	{ "an answer that is begun, for Gemini", INTO(CHAT, GENERATE), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'a'}]}", NULL, "messages[1]", NULL },
	{ "a tool by its name that need not be called", INTO(GENERATE, CHAT), "{'contents':[],'toolConfig':{'functionCallingConfig':{'mode':'AUTO','allowedFunctionNames':['f']}}}", NULL, "toolConfig.functionCallingConfig.allowedFunctionNames", NULL },
	{ "a picture without an address", FORM_CHAT, "{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{}}]}]}", NULL, "messages[0].content[0].image_url", NULL },
	{ "a tool without a name", FORM_CHAT, "{'tool_choice':{'type':'function','function':{}}," USER "}", NULL, "tool_choice", NULL },
	{ "two choices", INTO(CONVERSE, CHAT), "{'messages':[],'toolConfig':{'toolChoice':{'any':{},'auto':{}}}}", NULL, "toolConfig.toolChoice", NULL },
	{ "a picture that is text", FORM_MESSAGES, "{'messages':[{'role':'user','content':[{'type':'image','source':{'type':'text','media_type':'text/plain','data':'a'}}]}]}", NULL, "messages[0].content[0].source", NULL },
	{ "a source of two kinds", FORM_MESSAGES, "{'messages':[{'role':'user','content':[{'type':'image','source':{'type':'url','url':'https://x','data':'QUJD'}}]}]}", NULL, "messages[0].content[0].source", NULL },
	{ "two refusals", INTO(RESPONSES, CHAT), "{'input':[{'role':'user','content':'hi'},{'role':'assistant','content':[{'type':'refusal','refusal':'a'},{'type':'output_text','text':'t'},{'type':'refusal','refusal':'b'}]}]}",
		"{'model':'m','messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'t','refusal':'ab'}]}", NULL, NULL },
	{ "a result's id of the user's", FORM_CHAT, "{'messages':[{'role':'user','tool_call_id':'a','content':'hi'}]}", NULL, "messages[0].tool_call_id", NULL },
	{ "an answer's form of no type", FORM_CHAT, "{'response_format':{'json_schema':{}}," USER "}", NULL, "response_format", NULL },
	{ "a text's form of no type", INTO(RESPONSES, CHAT), "{'text':{'format':{}},'input':'hi'}", NULL, "text.format", NULL },
	{ "a format without a schema", FORM_MESSAGES, "{'output_config':{'format':{'type':'json_schema'}}," USER "}", NULL, "output_config.format", NULL },

	{ "log probabilities by the list of what is included", INTO(RESPONSES, CHAT), "{'input':'hi','include':['reasoning.encrypted_content','message.output_text.logprobs']}", NULL, "include[1]", NULL },
	{ "that may go", INTO(RESPONSES, CHAT), "{'input':'hi','include':['message.output_text.logprobs']}", "{'model':'m'," USER "}", NULL, "include[*]" },
	{ "what is included says nothing without its tool", INTO(RESPONSES, CHAT), "{'input':'hi','include':['web_search_call.action.sources','reasoning.encrypted_content']}", "{'model':'m'," USER "}", NULL, NULL },
	{ "what is zero says nothing", FORM_CHAT, "{'frequency_penalty':0.0,'presence_penalty':0.0,'top_logprobs':0," USER "}", M1 USER "}", NULL, NULL },
	{ "no stop texts", INTO(CHAT, RESPONSES), "{'stop':[],'messages':[{'role':'user','content':'hi'}]}",
		"{'model':'m','input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]}],'store':false}", NULL, NULL },
	{ "a turn of Mistral's SDK that is not begun", INTO(CHAT, RESPONSES), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'a','prefix':false},{'role':'user','content':'b'}]}",
		"{'model':'m','input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]},{'type':'message','role':'assistant','content':[{'type':'output_text','text':'a'}]},"
		"{'type':'message','role':'user','content':[{'type':'input_text','text':'b'}]}],'store':false}", NULL, NULL },
	{ "and one that is", INTO(CHAT, RESPONSES), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'a','prefix':true}]}", NULL, "messages[1].prefix", NULL },
	{ "nor what Gemini's clients leave as it is", INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'text':'hi'}]}],'safetySettings':[],'generationConfig':{'responseLogprobs':false,'frequencyPenalty':0}}", M1 USER "}", NULL, NULL },
	{ "a schema of Google's, with null and numbers that are texts", INTO(GENERATE, MESSAGES),
		"{'contents':[{'parts':[{'text':'hi'}]}],'tools':[{'functionDeclarations':[{'name':'f','parameters':{'type':'OBJECT','properties':{'a':{'type':'STRING','nullable':true,'maxLength':'9'},'b':{'type':'ARRAY','minItems':'1','maxItems':3,'nullable':false}}}}]}]}",
		M1 USER ",'tools':[{'name':'f','input_schema':{'type':'object','properties':{'a':{'type':['string','null'],'maxLength':9},'b':{'type':'array','minItems':1,'maxItems':3}}}}]}", NULL, NULL },
	{ "a tool of no type", INTO(RESPONSES, CHAT), "{'input':'hi','tools':[{'name':'f','parameters':{}}]}", NULL, "tools[0]", NULL },
	{ "a format of no type", INTO(CONVERSE, CHAT), "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'outputConfig':{'textFormat':{'structure':{'jsonSchema':{'schema':'{}'}}}}}", NULL, "outputConfig.textFormat", NULL },
	{ "a call whose type is empty is a call", FORM_CHAT,
		"{'messages':[{'role':'user','content':'go'},{'role':'assistant','tool_calls':[{'id':'a','type':'','function':{'name':'f','arguments':'{}'}}]},{'role':'tool','tool_call_id':'a','content':'1'}]}",
		M1 "'messages':[{'role':'user','content':'go'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1'}]}]}", NULL, NULL },
	{ "an empty object that is a tool", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'hi'}]}],'tools':[{'functionDeclarations':[{'name':'f'}],'googleSearch':{}}]}", NULL, "tools[0].googleSearch", NULL },
	{ "an empty object of a model of its own", INTO(CONVERSE, CHAT), "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'additionalModelRequestFields':{'novel':{}}}", NULL, "additionalModelRequestFields.novel", NULL },
	{ "an empty object elsewhere", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'hi','videoMetadata':{}}]}],'generationConfig':{'speechConfig':{},'responseMimeType':''}}", "{'model':'m'," USER "}", NULL, NULL },
	{ "a choice without a name", INTO(CONVERSE, CHAT), "{'messages':[],'toolConfig':{'toolChoice':{'':{}}}}", NULL, "toolConfig.toolChoice.", NULL },
	{ "a text block without a text", FORM_MESSAGES, "{'messages':[{'role':'user','content':[{'type':'text'},{'type':'text','text':'a'}]}]}", NULL, "messages[0].content[0]", NULL },
	{ "a block that says nothing", INTO(CONVERSE, CHAT), "{'messages':[{'role':'user','content':[{'text':'hi'},{'text':null}]}]}", NULL, "messages[0].content[1]", NULL },
	{ "a part of no known type may go", INTO(RESPONSES, CHAT), "{'input':[{'role':'user','content':[{'type':'input_audio','input_audio':{}},{'type':'input_text','text':'hi'}]}]}",
		"{'model':'m'," USER "}", NULL, "input[*].content[*]" },
	{ "by its type, too", INTO(CHAT, MESSAGES), "{'messages':[{'role':'user','content':[{'type':'video_url','video_url':{}},{'type':'text','text':'hi'}]}]}", M1 USER "}", NULL, "messages[*].content[*].type" },
	{ "a document of Bedrock's that is a text", INTO(CONVERSE, MESSAGES), "{'messages':[{'role':'user','content':[{'document':{'format':'md','name':'t','source':{'text':'hello'}}},{'text':'so?'}]}]}",
		"{'model':'m','max_tokens':100,'messages':[{'role':'user','content':[{'type':'document','source':{'type':'text','media_type':'text/plain','data':'hello'},'title':'t'},{'type':'text','text':'so?'}]}]}", NULL, NULL },
	{ "a document of two sources", INTO(CONVERSE, MESSAGES), "{'messages':[{'role':'user','content':[{'document':{'format':'txt','source':{'text':'a','bytes':'QUJD'}}}]}]}", NULL, "messages[0].content[0].document", NULL },
	{ "a block of two members", INTO(CONVERSE, CHAT), "{'messages':[{'role':'user','content':[{'document':{'format':'pdf','source':{'bytes':'QUJD'}},'image':{'format':'png','source':{'bytes':'QUJD'}}}]}]}", NULL, "messages[0].content[0].document", NULL },
	{ "a part of two members", INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'a','functionCall':{'name':'f'}}]}]}", NULL, "contents[0].parts[0].functionCall", NULL },
	{ "a path for a key", FORM_CHAT, "{'messages':[{'role':'user','content':[{'type':'image_url','image_url.url':'https://x'}]}]}", NULL, "messages[0].content[0].image_url.url", NULL },

	/* embeddings */
	{ "a text for Gemini", INTO(EMBEDDINGS, EMBED_GEMINI), "{'model':'x','input':'hi','user':'u','encoding_format':'float'}",
		"{'requests':[{'model':'models/m','content':{'parts':[{'text':'hi'}]}}]}", NULL, NULL },
	{ "texts for Gemini, of few dimensions", INTO(EMBEDDINGS, EMBED_GEMINI), "{'input':['a','\u00e9'],'dimensions':9,'encoding_format':'base64'}",
		"{'requests':[{'model':'models/m','content':{'parts':[{'text':'a'}]},'outputDimensionality':9},{'model':'models/m','content':{'parts':[{'text':'\u00e9'}]},'outputDimensionality':9}]}", NULL, NULL },
	{ "for Cohere", INTO(EMBEDDINGS, EMBED_COHERE), "{'input':['a','b'],'dimensions':9}",
		"{'model':'m','texts':['a','b'],'input_type':'search_document','embedding_types':['float'],'output_dimension':9}", NULL, NULL },
	{ "for Cohere's at Bedrock", INTO(EMBEDDINGS, EMBED_INVOKED), "{'input':'a'}",
		"{'texts':['a'],'input_type':'search_document','embedding_types':['float']}", NULL, NULL },
	{ "for Titan", INTO(EMBEDDINGS, EMBED_TITAN), "{'input':['a'],'dimensions':9}", "{'inputText':'a','dimensions':9}", NULL, NULL },
	{ "two texts for Titan", INTO(EMBEDDINGS, EMBED_TITAN), "{'input':['a','b']}", NULL, "input", NULL },
	{ "tokens", INTO(EMBEDDINGS, EMBED_COHERE), "{'input':[72,105]}", NULL, "input[0]", NULL },
	{ "lists of tokens", INTO(EMBEDDINGS, EMBED_GEMINI), "{'input':['a',[72]]}", NULL, "input[1]", NULL },
	{ "no text", INTO(EMBEDDINGS, EMBED_GEMINI), "{'input':[]}", NULL, "input", NULL },
	{ "no input", INTO(EMBEDDINGS, EMBED_GEMINI), "{'model':'x'}", NULL, "", NULL },
	{ "other numbers", INTO(EMBEDDINGS, EMBED_GEMINI), "{'input':'a','encoding_format':'int8'}", NULL, "encoding_format", NULL },
	{ "what is new in embeddings", INTO(EMBEDDINGS, EMBED_TITAN), "{'input':'a','novel':1}", NULL, "novel", NULL },
};
/* clang-format on */

static char *
quoted(const char *s)
{
	char *q = strdup(s);

	for (char *p = q; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return q;
}

static enum form
other_form(enum form f)
{
	return f == FORM_CHAT ? FORM_MESSAGES : FORM_CHAT;
}

static int
translate(enum form from, unsigned to, struct span body, unsigned cap, const char *const *drop, size_t ndrop,
	struct arena *a, struct buf *out, struct translated_request *made)
{
	struct translate_ask ask = { .from = from,
		.to = to ? to & 0xff : other_form(from),
		.dialect = to >> 8 ? dialect_find(SPAN_LIT("mistral")) : NULL,
		.body = body,
		.model = SPAN_LIT("m"),
		.cap_tokens = cap,
		.drop = drop,
		.ndrop = ndrop };

	return translate_request(&ask, a, out, made);
}

/* "ID" in the expected text stands for a generated id. */
static bool
is_like(struct span got, const char *want)
{
	struct span w = span_str(want);

	while (w.n && got.n) {
		if (span_starts(w, SPAN_LIT("ID\"")) && span_starts(got, SPAN_LIT("call_"))) {
			w = span_cut(w, 2, w.n);
			got = span_cut(got, span_chr(got, '"'), got.n);
		}
		if (w.p[0] != got.p[0])
			return false;
		w = span_cut(w, 1, w.n);
		got = span_cut(got, 1, got.n);
	}
	return !w.n && !got.n;
}

static void
requests_have_the_targets_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct arena a;
		struct buf out;
		struct translated_request made;
		char *in = quoted(r->in), *want = r->want ? quoted(r->want) : NULL;

		arena_init(&a, 0, false);
		buf_init(&out, 0);
		int err = translate(r->from & 0xff, r->from >> 8, span_str(in), 100, &r->drop, r->drop != NULL, &a, &out,
			&made);
		if (want && (err || !is_like(buf_view(&out), want)))
			fail_msg("%s: %d %.*s %s\n got %.*s\nwant %s", r->name, err,
				(int)made.refused.n, made.refused.p, made.why ? made.why : "",
				(int)out.n, out.p + out.start, want);
		if (!want && (!err || !span_is(made.refused, r->refused) || !made.why))
			fail_msg("%s: %d, at \"%.*s\" (%s), not at \"%s\"", r->name, err,
				(int)made.refused.n, made.refused.p, made.why ? made.why : "",
				r->refused);
		if (want && r->drop)
			assert_true(made.ndropped == 1 && !strcmp(made.dropped[0], r->drop));
		buf_free(&out);
		arena_reset(&a);
		free(in);
		free(want);
	}
}

static void
missing_output_limit_is_refused(void **state)
{
	struct arena a;
	struct buf out;
	struct translated_request made;

	(void)state;

	arena_init(&a, 0, false);
	buf_init(&out, 0);
	char *in = quoted("{" USER "}");
	assert_int_equal(translate(FORM_CHAT, 0, span_str(in), 0, NULL, 0, &a, &out, &made),
		ERR_UNSUPPORTED);
	assert_non_null(made.why);
	free(in);
	buf_free(&out);
	arena_reset(&a);
}

/* ---- there and back ---- */

static uint64_t seed;

static unsigned
dice(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % n;
}

static void
put_random_parts(struct buf *b)
{
	static const char *const parts[] = { "{'type':'text','text':'a \\u00e9'}",
		"{'type':'image_url','image_url':{'url':'data:image/gif;base64,QUJD'}}",
		"{'type':'image_url','image_url':{'url':'https://x/y'}}",
		("{'type':'file','file':{'filename':'n','file_data':'data:application/"
		 "pdf;base64,QUJD'}}") };
	unsigned n = 1 + dice(3);

	buf_str(b, "[");
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s%s", i ? "," : "", parts[dice(4)]);
	buf_str(b, "]");
}

static void
put_random_turns(struct buf *b)
{
	if (dice(2))
		buf_str(b, "{'role':'system','content':'s'},");
	buf_str(b, "{'role':'user','content':'begin'}");
	for (unsigned turn = 0, turns = dice(5); turn < turns; turn++) {
		unsigned calls = dice(4);
		buf_str(b, ",{'role':'assistant','content':");
		buf_str(b, calls && dice(2) ? "null" : "'word'");
		if (calls)
			buf_str(b, ",'tool_calls':[");
		for (unsigned i = 0; i < calls; i++)
			buf_printf(b,
				"%s{'id':'c%u-%u','type':'function','function':{'name':'f%u',"
				"'arguments':'{\\u0022x\\u0022:%u}'}}",
				i ? "," : "", turn, i, i, dice(9));
		buf_str(b, calls ? "]}" : "}");
		for (unsigned i = calls; i > 0; i--)
			buf_printf(b,
				",{'role':'tool','tool_call_id':'c%u-%u','content':'r%u'}",
				turn, i - 1, dice(9));
		buf_str(b, ",{'role':'user','content':");
		put_random_parts(b);
		buf_str(b, "}");
	}
}

static void
random_request(struct buf *in)
{
	buf_str(in, "{'max_tokens':5,");
	buf_str(in, dice(2) ? "'temperature':0.25,'top_p':0.5," : "");
	buf_str(in, dice(2) ? "'tools':[{'type':'function','function':{'name':'f','description'"
			      ":'d','parameters':{'type':'object'}}}],'tool_choice':'required',"
			    : "");
	buf_str(in, dice(2) ? "'reasoning_effort':'low'," : "");
	buf_str(in, "'messages':[");
	put_random_turns(in);
	buf_str(in, "]}");
	buf_putc(in, '\0');
}

/* Translated into the form, back, and again: the same bytes. Members that a target does not
 * support are refused by name the first time. */
static void
translation_there_and_back_is_the_same(void **state)
{
	size_t held[FORMS] = { 0 };

	(void)state;
	for (seed = 1; seed < 3000; seed += 7) {
		uint64_t at = seed;
		struct buf in;
		buf_init(&in, 0);
		random_request(&in);
		char *body = quoted(in.p + in.start);
		for (enum form to = FORM_RESPONSES; to < FORMS_OF_TALK; to++) {
			struct arena a;
			struct buf one, two, three;
			struct translated_request made;
			arena_init(&a, 0, false);
			buf_init(&one, 0);
			buf_init(&two, 0);
			buf_init(&three, 0);
			int err = translate(
				FORM_CHAT, to, span_str(body), 0, NULL, 0, &a, &one, &made);
			held[to] += !err;
			if (err)
				assert_true(made.refused.n && made.why);
			else if (translate(to, FORM_CHAT, buf_view(&one), 0, NULL, 0, &a, &two,
					 &made) ||
				 translate(FORM_CHAT, to, buf_view(&two), 0, NULL, 0, &a, &three,
					 &made))
				fail_msg("%s\n%.*s: %.*s, %s", body, (int)one.n, one.p + one.start,
					(int)made.refused.n, made.refused.p, made.why);
			/* names of documents are made unique there */
			else if (!(to == FORM_CONVERSE && strstr(body, "filename")) &&
				 !span_eq(buf_view(&one), buf_view(&three)))
				fail_msg("%s\n%.*s\n%.*s\n%.*s", body, (int)one.n,
					one.p + one.start, (int)two.n, two.p + two.start,
					(int)three.n, three.p + three.start);
			buf_free(&one);
			buf_free(&two);
			buf_free(&three);
			arena_reset(&a);
		}
		free(body);
		buf_free(&in);
		seed = at;
	}
	for (enum form to = FORM_RESPONSES; to < FORMS_OF_TALK; to++)
		assert_true(held[to] > 100);
}

/* ---- long requests ---- */

static void
ten_thousand_parts_take_linear_time(void **state)
{
	struct buf in, out;
	struct arena a;
	struct translated_request made;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_str(&in, "{\"messages\":[{\"role\":\"user\",\"content\":[");
	for (int i = 0; i < 10000; i++)
		buf_printf(&in, "%s{\"type\":\"text\",\"text\":\"%d\"}", i ? "," : "", i);
	buf_str(&in, "]}");
	for (int turn = 0; turn < 10; turn++) {
		buf_str(&in, ",{\"role\":\"assistant\",\"tool_calls\":[");
		for (int i = 0; i < 1000; i++)
			buf_printf(&in,
				"%s{\"id\":\"%d\",\"type\":\"function\",\"function\":{"
				"\"name\":\"f\",\"arguments\":\"{}\"}}",
				i ? "," : "", i);
		buf_str(&in, "]}");
		for (int i = 999; i >= 0; i--)
			buf_printf(&in,
				",{\"role\":\"tool\",\"tool_call_id\":\"%d\",\"content\":\"%d\"}",
				i, i);
	}
	buf_str(&in, "]}");
	assert_int_equal(
		translate(FORM_CHAT, 0, buf_view(&in), 9, NULL, 0, &a, &out, &made), 0);
	buf_free(&in);
	buf_free(&out);
	arena_reset(&a);
}

/* clang-format off */
static const struct {
	unsigned from;
	const char *in, *want, *dropped;
} left_out[] = {
	/* LangChain.js */
	{ INTO(CHAT, MESSAGES), "{" USER_TOOL ",{'role':'tool','tool_call_id':'a','name':'f','content':'1'}]}", "'tool_result'",
		"messages[*].name" },
	{ INTO(CHAT, GENERATE), "{'messages':[{'role':'user','name':'ann','content':'hi'}]}", "'text':'hi'", "messages[*].name" },
	/* OpenAI's Agents SDK */
	{ INTO(RESPONSES, GENERATE), "{'input':'hi','tools':[{'type':'function','name':'f','parameters':{'type':'object'},'strict':true}]}",
		"'functionDeclarations'", "tools[*].strict" },
	{ INTO(CHAT, GENERATE), "{" USER ",'tools':[{'type':'function','function':{'name':'f','strict':true}}]}", "'functionDeclarations'",
		"tools[*].function.strict" },
	{ INTO(MESSAGES, GENERATE), "{'max_tokens':9," USER ",'tools':[{'name':'f','input_schema':{'type':'object'},'strict':true}]}",
		"'functionDeclarations'", "tools[*].strict" },
	{ INTO(CHAT, CONVERSE), "{" USER ",'parallel_tool_calls':false,'tools':[{'type':'function','function':{'name':'f'}}]}", "'toolSpec'",
		"parallel_tool_calls" },
	{ INTO(RESPONSES, GENERATE), "{'input':'hi','parallel_tool_calls':false,'tools':[{'type':'function','name':'f','parameters':{},"
		"'strict':false}]}", "'functionDeclarations'", "parallel_tool_calls" },
	{ INTO(MESSAGES, CONVERSE), "{'max_tokens':9," USER ",'tools':[{'name':'f','input_schema':{'type':'object'}}],"
		"'tool_choice':{'type':'auto','disable_parallel_tool_use':true}}", "'toolSpec'", "tool_choice.disable_parallel_tool_use" },
	{ INTO(CONVERSE, CHAT), "{'additionalModelResponseFieldPaths':['/delta/stop_sequence'],'messages':[{'role':'user','content':[{'text':'hi'}]}]}",
		"'content':'hi'", "additionalModelResponseFieldPaths" },
	{ INTO(GENERATE, CHAT), "{'toolConfig':{'functionCallingConfig':{'mode':'VALIDATED'}},'contents':[{'parts':[{'text':'hi'}]}]}",
		"'content':'hi'", "toolConfig.functionCallingConfig.mode=VALIDATED" },
	{ INTO(GENERATE, CHAT), "{'safetySettings':[{'category':'c','threshold':'t'}],'contents':[{'parts':[{'text':'hi'}]}]}",
		"'content':'hi'", "safetySettings" },
	/* Claude Code: an id over 64 bytes becomes its hash */
	{ INTO(MESSAGES, CHAT), "{'max_tokens':9," USER ",'metadata':{'user_id':'user_0123456789012345678901234567890123456789_session_0123456789x'}}",
		"'safety_identifier':'93d7663c", NULL },
	{ INTO(MESSAGES, RESPONSES), "{'max_tokens':9," USER ",'metadata':{'user_id':'ann'}}", "'safety_identifier':'ann'", NULL },
	/* a call that was cut, or that the model wrote incorrectly */
	{ INTO(CHAT, MESSAGES), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "{\\u0022x\\u0022:") "]},{'role':'tool','tool_call_id':'a','content':'no'}]}",
		"'input':{'arguments':'{\\u0022x\\u0022:'}", "messages[*].tool_calls[*].function.arguments" },
	{ INTO(CHAT, RESPONSES), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "{\\u0022x\\u0022:1,\\u0022x\\u0022:2}") "]},{'role':'tool','tool_call_id':'a','content':'no'}]}",
		"'function_call'", "messages[*].tool_calls[*].function.arguments" },
	{ INTO(RESPONSES, MESSAGES), "{'input':[{'role':'user','content':'hi'},{'type':'function_call','call_id':'a','name':'f','arguments':'{\\u0022x\\u0022:'},{'type':'function_call_output','call_id':'a','output':'no'}]}",
		"'input':{'arguments':'{\\u0022x\\u0022:'}", "input[*].arguments" },
	{ INTO(RESPONSES, CONVERSE), "{'input':[{'role':'user','content':'hi'},{'type':'function_call','call_id':'a','name':'f','arguments':'none'},{'type':'function_call_output','call_id':'a','output':'no'}]}",
		"'input':{'arguments':'none'}", "input[*].arguments" },
	{ INTO(CHAT, GENERATE), "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[" CALL("a", "[1]") "]},{'role':'tool','tool_call_id':'a','content':'no'}]}",
		"'args':{'arguments':'[1]'}", "messages[*].tool_calls[*].function.arguments" },
	/* LangChain and instructor: one call at a time, with a required tool */
	{ INTO(CHAT, MESSAGES), "{" USER ",'parallel_tool_calls':false,'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':{'type':'function','function':{'name':'f'}}}",
		"'tool_choice':{'type':'tool','name':'f','disable_parallel_tool_use':true}", NULL },
	{ INTO(CHAT, GENERATE), "{" USER ",'parallel_tool_calls':false,'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':{'type':'function','function':{'name':'f'}}}",
		"'mode':'ANY','allowedFunctionNames':['f']", "parallel_tool_calls" },
	{ INTO(CHAT, CONVERSE), "{" USER ",'parallel_tool_calls':false,'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':{'type':'function','function':{'name':'f'}}}",
		"'toolChoice':{'tool':{'name':'f'}}", "parallel_tool_calls" },
	{ INTO(CHAT, RESPONSES), "{" USER ",'parallel_tool_calls':false,'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':{'type':'function','function':{'name':'f'}}}",
		"'tool_choice':{'type':'function','name':'f'},'parallel_tool_calls':false", NULL },
	{ INTO(CONVERSE, GENERATE), "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'toolConfig':{'tools':[{'toolSpec':{'name':'f','strict':true,'inputSchema':{'json':{'type':'object'}}}}]}}",
		"'functionDeclarations'", "toolConfig.tools[*].toolSpec.strict" },
	/* LangChain's Bedrock client: Claude's members have their own place there */
	{ INTO(CONVERSE, MESSAGES), "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'additionalModelRequestFields':{'thinking':{'type':'enabled','budget_tokens':2048}}}", "'thinking':{'type':'adaptive'}", NULL },
	{ INTO(CONVERSE, CHAT), "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'additionalModelRequestFields':{'thinking':{'type':'disabled'}}}", "'reasoning_effort':'none'", NULL },
	{ INTO(CONVERSE, CHAT), "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'additionalModelRequestFields':{'reasoningConfig':{'type':'enabled','maxReasoningEffort':'high'}}}", "'reasoning_effort':'high'", NULL },
	/* members that may change the response, or where it is made */
	{ INTO(MESSAGES, CHAT), "{'max_tokens':9,'context_management':{'edits':[]}," USER "}", "'content':'hi'", "context_management" },
	{ INTO(MESSAGES, CHAT), "{'max_tokens':9,'inference_geo':'us'," USER "}", "'content':'hi'", "inference_geo" },
	/* places that both of two forms have */
	{ INTO(CHAT, RESPONSES), "{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'https://x/y.png','detail':'low'}}]}]}", "'image_url':'https://x/y.png','detail':'low'}", NULL },
	{ INTO(RESPONSES, CHAT), "{'input':[{'role':'user','content':[{'type':'input_image','image_url':'https://x/y.png','detail':'high'}]}]}", "{'url':'https://x/y.png','detail':'high'}", NULL },
	{ INTO(CHAT, MESSAGES), "{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'https://x/y.png','detail':'low'}}]}]}", "'url':'https://x/y.png'}}", "*.detail" },
	{ INTO(RESPONSES, MESSAGES), "{'input':[{'role':'user','content':[{'type':'input_file','file_url':'https://x/y.pdf'}]}]}", "'document','source':{'type':'url','url':'https://x/y.pdf'}}", NULL },
	{ INTO(MESSAGES, RESPONSES), "{'max_tokens':9,'messages':[{'role':'user','content':[{'type':'document','source':{'type':'url','url':'https://x/y.pdf'}}]}]}", "{'type':'input_file','file_url':'https://x/y.pdf'}", NULL },
	{ INTO(CHAT, GENERATE), "{'messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{'data':'QUJD','format':'wav'}}]}]}", "'inlineData':{'mimeType':'audio/wav','data':'QUJD'}", NULL },
	{ INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'inlineData':{'mimeType':'audio/mpeg','data':'QUJD'}}]}]}", "'input_audio':{'data':'QUJD','format':'mp3'}", NULL },
	/* a text file in base64: Anthropic and Bedrock accept its text */
	{ INTO(CHAT, MESSAGES), "{'messages':[{'role':'user','content':[{'type':'file','file':{'filename':'a.md','file_data':'data:text/markdown;base64,IyAiaGkiCsOg'}}]}]}",
		"{'type':'document','source':{'type':'text','media_type':'text/plain','data':'# \\'hi\\'\\n\xc3\xa0'},'title':'a.md'}", NULL },
	{ INTO(RESPONSES, MESSAGES), "{'input':[{'role':'user','content':[{'type':'input_file','filename':'a.json','file_data':'data:application/json;charset=utf-8;base64,e30='}]}]}",
		"'source':{'type':'text','media_type':'text/plain','data':'{}'},'title':'a.json'}", NULL },
	{ INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'inlineData':{'mimeType':'text/x-python','data':'IyAiaGkiCsOg'}}]}]}",
		"'source':{'type':'text','media_type':'text/plain','data':'# \\'hi\\'\\n\xc3\xa0'}}", NULL },
	{ INTO(CONVERSE, MESSAGES), "{'messages':[{'role':'user','content':[{'document':{'format':'csv','name':'t','source':{'bytes':'YSxi'}}}]}]}",
		"'source':{'type':'text','media_type':'text/plain','data':'a,b'},'title':'t'}", NULL },
	{ INTO(RESPONSES, CONVERSE), "{'input':[{'role':'user','content':[{'type':'input_file','filename':'a.json','file_data':'data:application/json;base64,e30='}]}]}",
		"{'document':{'format':'txt','name':'a-json-", NULL },
	/* base64 of Python's Google SDK, in the URL alphabet and without padding */
	{ INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'inlineData':{'mimeType':'image/png','data':'-_-_QQ'}}]}]}", "'url':'data:image/png;base64,+/+/QQ=='", NULL },
	{ INTO(GENERATE, CONVERSE), "{'contents':[{'parts':[{'inlineData':{'mimeType':'image/png','data':'-_-_'}}]}]}", "'bytes':'+/+/'", NULL },
	{ INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'inlineData':{'mimeType':'image/png','data':'ab\\/\\u002b'}}]}]}", "'data':'ab/+'", NULL },
	{ INTO(CHAT, RESPONSES), "{" USER ",'tools':[{'type':'function','function':{'name':'f'}}]}", "'parameters':{'type':'object','properties':{}}", NULL },
	/* google-genai's automatic calling */
	{ INTO(GENERATE, CHAT), "{'contents':[{'parts':[{'text':'hi'}]}],'tools':[{'functionDeclarations':[{'name':'f','parametersJsonSchema':{'type':'object'},'responseJsonSchema':{'type':'string'}}]}]}",
		"'name':'f'", "tools[*].functionDeclarations[*].responseJsonSchema" },
	/* cached content at a target that caches automatically, or not at all */
	{ INTO(MESSAGES, CHAT), "{'max_tokens':9,'messages':[{'role':'user','content':[{'type':'text','text':'hi','cache_control':{'type':'ephemeral'}}]}]}",
		"'content':'hi'", "*.cache_control" },
	{ INTO(MESSAGES, GENERATE), "{'max_tokens':9," USER ",'tools':[{'name':'f','input_schema':{'type':'object'},'cache_control':{'type':'ephemeral'}}]}",
		"'text':'hi'", "*.cache_control" },
	{ INTO(MESSAGES, CHAT), "{'max_tokens':9,'cache_control':{'type':'ephemeral'}," USER "}", "'content':'hi'", "*.cache_control" },
	{ INTO(CONVERSE, RESPONSES), "{'messages':[{'role':'user','content':[{'text':'hi'},{'cachePoint':{'type':'default'}}]}]}", "'text':'hi'", "*.cachePoint" },
	{ INTO(CHAT, GENERATE), "{'messages':[{'role':'user','content':'hi'," MARK "}]}", "'text':'hi'", "*.cache_control" },
	{ INTO_MISTRAL(CHAT), "{'cache_control':{'type':'ephemeral'}," USER "}", "'content':'hi'", "*.cache_control" },
	/* a schema that Anthropic enforces in part */
	{ INTO(CHAT, MESSAGES), SCHEMA("{'type':'object','minProperties':1}"), "'description':'{minProperties: 1}'", "response_format.json_schema.schema" },
	{ INTO(CHAT, MESSAGES), SCHEMA("{'type':'object','additionalProperties':true}"), "'additionalProperties':false", "response_format.json_schema.schema" },
	{ INTO(CHAT, MESSAGES), SCHEMA("{'type':'object','additionalProperties':false,'title':'t'}"), "'title':'t'", NULL },
	{ INTO(GENERATE, MESSAGES), "{'contents':[{'parts':[{'text':'hi'}]}],'generationConfig':{'responseMimeType':'application/json','responseSchema':{'type':'OBJECT','maxProperties':'2'}}}",
		"{maxProperties: 2}", "generationConfig.responseSchema" },
	/* Bedrock accepts none inside a result */
	{ INTO(MESSAGES, CONVERSE), "{'max_tokens':9,'messages':[{'role':'user','content':'go'},{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f','input':{}}]},"
		"{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':[{'type':'text','text':'1','cache_control':{'type':'ephemeral'}}]}]}]}",
		"'content':[{'text':'1'}],'status':'success'}},{'cachePoint':{'type':'default'}}", NULL },
	/* Codex */
	{ INTO(RESPONSES, CHAT), "{'input':'hi','reasoning':{'effort':'low','context':'all_turns'}}", "'reasoning_effort':'low'", "reasoning.context" },
	{ INTO(RESPONSES, CHAT), "{'input':'hi','text':{'verbosity':'low'}}", "'verbosity':'low'", NULL },
	{ INTO(CHAT, RESPONSES), "{'verbosity':'high','response_format':{'type':'json_object'}," USER "}", "'text':{'format':{'type':'json_object'},'verbosity':'high'}", NULL },
	{ INTO(RESPONSES, MESSAGES), "{'input':'hi','text':{'verbosity':'low'}}", "'content':'hi'", "text.verbosity" },
	{ INTO_MISTRAL(RESPONSES), "{'input':'hi','text':{'verbosity':'low'}}", "'content':'hi'", "text.verbosity" },
	{ INTO(CHAT, GENERATE), "{'verbosity':'low'," USER "}", "'text':'hi'", "verbosity" },
	{ INTO(RESPONSES, GENERATE), "{'input':'hi','tools':[{'type':'tool_search','execution':'client','description':'d','parameters':{}}]}",
		"'text':'hi'", "*.type=tool_search" },
	{ INTO(RESPONSES, CONVERSE), "{'input':'hi','tools':[{'type':'custom','name':'f','format':{'type':'grammar','syntax':'lark','definition':'start: \\'x\\''}}]}",
		"'description':'A text of this grammar:\\nstart: \\'x\\''", "*.definition" },
	{ INTO(RESPONSES, CHAT), "{'input':'hi','tools':[{'type':'namespace','name':'n','description':'d','tools':[{'type':'function','name':'f'}]}]}",
		"'name':'n__f'", "tools[*].description" },
	/* a member that has a place is kept */
	{ INTO(CHAT, MESSAGES), "{" USER ",'tools':[{'type':'function','function':{'name':'f','strict':true}}]}", "'strict':true", NULL },
	{ INTO(MESSAGES, CHAT), "{'max_tokens':9," USER ",'output_format':{'type':'json_schema','schema':" NO_OPTIONAL "}}",
		"'response_format'", NULL },
	{ INTO(MESSAGES, CHAT), "{'max_tokens':9," USER ",'output_format':{'type':'json_schema','schema':{'type':'object'}}}",
		"'response_format'", "output_format.schema" },
	{ INTO(CONVERSE, RESPONSES), "{'messages':[{'role':'user','content':[{'text':'hi'}]}],'toolConfig':{'tools':[{'toolSpec':{'name':'f','strict':true,'inputSchema':{'json':" OPTIONAL "}}}]}}",
		"'strict':false", "toolConfig.tools[*].toolSpec.strict" },
};
/* clang-format on */

static void
omitted_member_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(left_out); i++) {
		struct arena a;
		struct buf out;
		struct translated_request made;
		char *in = quoted(left_out[i].in), *want = quoted(left_out[i].want);

		arena_init(&a, 0, false);
		buf_init(&out, 0);
		int err = translate((enum form)(left_out[i].from & 0xff), left_out[i].from >> 8, span_str(in), 100,
			NULL, 0, &a, &out, &made);
		if (err || !memmem(buf_view(&out).p, out.n, want, strlen(want)))
			fail_msg("%s: %d %.*s %.*s", in, err, (int)made.refused.n, made.refused.p, (int)out.n,
				buf_view(&out).p);
		assert_int_equal(made.ndropped, left_out[i].dropped ? 1 : 0);
		if (made.ndropped)
			assert_string_equal(made.dropped[0], left_out[i].dropped);
		free(in);
		free(want);
		buf_free(&out);
		arena_reset(&a);
	}
}

/* Clients name turns that OpenAI stores in several ways: the message states which option to set. */
static void
reference_to_a_stored_turn_is_refused_with_the_fix(void **state)
{
	static const struct {
		const char *in, *at;
	} kept[] = {
		{ "{'input':[{'role':'user','content':'hi'},{'type':'item_reference','id':'msg_1'}]}", "input[1].type" },
		{ "{'input':'hi','previous_response_id':'resp_1'}", "previous_response_id" },
		{ "{'input':'hi','conversation':'conv_1'}", "conversation" },
		{ "{'input':'hi','conversation':{'id':'conv_1'}}", "conversation" },
	};
	struct arena a;
	struct buf out;
	struct translated_request made;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kept); i++) {
		char *in = quoted(kept[i].in);
		for (enum form to = FORM_CHAT; to < FORMS_OF_TALK; to++) {
			if (to == FORM_RESPONSES)
				continue;
			arena_init(&a, 0, false);
			buf_init(&out, 0);
			assert_int_equal(translate(FORM_RESPONSES, to, span_str(in), 9, NULL, 0, &a, &out, &made), ERR_UNSUPPORTED);
			if (!span_is(made.refused, kept[i].at) || !strstr(made.why, "stored") ||
				!strstr(made.why, "`store: false`"))
				fail_msg("%s: %s", kept[i].in, made.why);
			buf_free(&out);
			arena_reset(&a);
		}
		free(in);
	}
}

/* Returns the user id in the sent body for an id of `n` letters. */
static struct span
user_sent(enum form to, size_t n, const unsigned char *key, struct arena *a)
{
	struct buf body, out;
	struct translated_request made;
	static const char before[] = "_id";

	buf_init(&body, 0);
	buf_init(&out, 0);
	buf_str(&body, to == FORM_MESSAGES ? "{\"safety_identifier\":\"" : "{\"max_tokens\":9,\"metadata\":{\"user_id\":\"");
	for (size_t i = 0; i < n; i++)
		buf_putc(&body, (char)('a' + i % 26));
	buf_str(&body, to == FORM_MESSAGES ? "\"," : "\"},");
	buf_str(&body, "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
	const struct translate_ask ask = { .from = to == FORM_MESSAGES ? FORM_CHAT : FORM_MESSAGES,
		.to = to,
		.body = buf_view(&body),
		.model = SPAN_LIT("m"),
		.cap_tokens = 9,
		.user_key = key };
	assert_int_equal(translate_request(&ask, a, &out, &made), 0);
	assert_int_equal(made.ndropped, 0);
	struct span got = arena_dup(a, buf_view(&out));
	const char *at = memmem(got.p, got.n, before, strlen(before));
	assert_non_null(at);
	got = span_cut(got, (size_t)(at - got.p), got.n);
	got = span_cut(got, span_chr(got, ':') + 2, got.n);
	buf_free(&body);
	buf_free(&out);
	return span_cut(got, 0, span_chr(got, '"'));
}

static void
too_long_user_id_becomes_a_keyed_hash(void **state)
{
	static const unsigned char one[32] = { 1 }, two[32] = { 2 };
	static const struct {
		enum form to;
		size_t most;
	} targets[] = { { FORM_CHAT, 64 }, { FORM_RESPONSES, 64 }, { FORM_MESSAGES, 256 } };
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		enum form to = targets[i].to;
		size_t most = targets[i].most;
		assert_int_equal(user_sent(to, most, one, &a).n, most);
		struct span hash = user_sent(to, most + 1, one, &a);
		assert_int_equal(hash.n, 64);
		assert_true(span_eq(hash, user_sent(to, most + 1, one, &a)));
		assert_false(span_eq(hash, user_sent(to, most + 1, two, &a)));
		assert_false(span_eq(hash, user_sent(to, most + 2, one, &a)));
		assert_false(span_eq(hash, user_sent(to, most + 1, NULL, &a)));
	}
	arena_reset(&a);
}

/* A record has room for a limited number of names: the last one states that there are more. */
static void
number_of_recorded_omitted_members_is_limited(void **state)
{
	const char *drop[TRANSLATE_DROPS + 8];
	char names[TRANSLATE_DROPS + 8][8];
	size_t most = TRANSLATE_DROPS;

	(void)state;
	for (size_t n = most - 1; n < most + 8; n++) {
		struct translated_request made;
		struct arena a;
		struct buf out, in;
		arena_init(&a, 0, false);
		buf_init(&in, 0);
		buf_init(&out, 0);
		buf_str(&in, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]");
		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "x%zu", i);
			drop[i] = names[i];
			buf_printf(&in, ",\"x%zu\":%zu", i, i);
		}
		buf_str(&in, "}");
		assert_int_equal(translate(FORM_CHAT, 0, buf_view(&in), 9, drop, n, &a, &out, &made), 0);
		assert_int_equal(made.ndropped, n < most ? n : most);
		assert_string_equal(made.dropped[0], "x0");
		assert_string_equal(made.dropped[made.ndropped - 1], n > most ? "and more" : names[n - 1]);
		buf_free(&in);
		buf_free(&out);
		arena_reset(&a);
	}
}

static void
cut_request_body_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *in = quoted(rows[i].in);
		size_t n = strlen(in);
		for (size_t cut = 0; cut < n; cut++) {
			struct arena a;
			struct buf out;
			struct translated_request made;
			arena_init(&a, 0, false);
			buf_init(&out, 0);
			char *piece = malloc(cut + 1);
			memcpy(piece, in, cut);
			assert_int_not_equal(translate(rows[i].from & 0xff, rows[i].from >> 8, span_of(piece, cut), 9, NULL,
						     0, &a, &out, &made),
				0);
			free(piece);
			buf_free(&out);
			arena_reset(&a);
		}
		free(in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_have_the_targets_form),
		cmocka_unit_test(missing_output_limit_is_refused),
		cmocka_unit_test(translation_there_and_back_is_the_same),
		cmocka_unit_test(ten_thousand_parts_take_linear_time),
		cmocka_unit_test(omitted_member_is_named),
		cmocka_unit_test(reference_to_a_stored_turn_is_refused_with_the_fix),
		cmocka_unit_test(too_long_user_id_becomes_a_keyed_hash),
		cmocka_unit_test(number_of_recorded_omitted_members_is_limited),
		cmocka_unit_test(cut_request_body_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
