/* The assembler puts the files of coord/web into the program; make runs at the top of the tree. */
#include "coord/web_files.h"

#define SCRIPT "text/javascript; charset=utf-8"

#define WEB_FILES(X)                                       \
	X(index, "index.html", "text/html; charset=utf-8") \
	X(style, "style.css", "text/css; charset=utf-8")   \
	X(icon, "icon.svg", "image/svg+xml")               \
	X(app, "app.js", SCRIPT)                           \
	X(api, "api.js", SCRIPT)                           \
	X(dom, "dom.js", SCRIPT)                           \
	X(format, "format.js", SCRIPT)                     \
	X(table, "table.js", SCRIPT)                       \
	X(sign_in, "sign_in.js", SCRIPT)                   \
	X(overview, "overview.js", SCRIPT)                 \
	X(nodes, "nodes.js", SCRIPT)                       \
	X(node, "node.js", SCRIPT)                         \
	X(keys, "keys.js", SCRIPT)                         \
	X(routes, "routes.js", SCRIPT)                     \
	X(names, "names.js", SCRIPT)                       \
	X(policy, "policy.js", SCRIPT)                     \
	X(relays, "relays.js", SCRIPT)                     \
	X(audit, "audit.js", SCRIPT)                       \
	X(settings, "settings.js", SCRIPT)                 \
	X(picture, "picture.js", SCRIPT)

#define EMBED(id, name, type)                         \
	__asm__(".section .rodata\n"                  \
		".global web_file_" #id "_start\n"    \
		"web_file_" #id "_start:\n"           \
		".incbin \"coord/web/" name "\"\n"    \
		".global web_file_" #id "_end\n"      \
		"web_file_" #id "_end:\n"             \
		".byte 0\n"                           \
		".previous\n");                       \
	extern const uint8_t web_file_##id##_start[]; \
	extern const uint8_t web_file_##id##_end[];
WEB_FILES(EMBED)

#define ENTRY(id, name, type) { "/" name, type, web_file_##id##_start, web_file_##id##_end },
const struct web_file web_files[] = { WEB_FILES(ENTRY) };
const size_t web_file_count = sizeof(web_files) / sizeof(web_files[0]);
