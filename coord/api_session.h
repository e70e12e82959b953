#ifndef WARREN_COORD_API_SESSION_H
#define WARREN_COORD_API_SESSION_H

struct api_call;

/* The routes of the API that are no verbs: the API's description, and signing in and out. */
void api_session_document(struct api_call *call);
void api_session_ways(struct api_call *call);
void api_session_login(struct api_call *call);
void api_session_logout(struct api_call *call);
void api_session_show(struct api_call *call);

#endif
