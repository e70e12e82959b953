/* The assembler puts the file into the program; make runs at the top of the tree. */
#include "coord/api_document.h"

__asm__(".section .rodata\n"
	".global api_document\n"
	"api_document:\n"
	".incbin \"coord/web/openapi.json\"\n"
	".global api_document_end\n"
	"api_document_end:\n"
	".byte 0\n"
	".previous\n");
