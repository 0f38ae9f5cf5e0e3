/*
 * What keeper.c, enter.c and detach.c have in common with what starts them and
 * what they start. The names, and what each is for: src/system/protocol.ts,
 * whose test reads this file and fails on any difference.
 */
#ifndef DENDRO_PROTOCOL_H
#define DENDRO_PROTOCOL_H

/* Names of processes. */
#define SERVER_NAME "@dendro"

/* Descriptors of the keeper. */
#define KEEPER_FUSE_FD 3
#define KEEPER_STATE_FD 4
#define KEEPER_SOCKET_FD 5
#define KEEPER_EVENTS_FD 6

/* Those of a server that it starts, which are the same ones. */
#define SERVER_FUSE_FD 3
#define SERVER_STATE_FD 4
#define SERVER_SOCKET_FD 5

/* What a server is started for. */
#define ORDER_RESUME "resume"

/* Lines of the keeper. */
#define SAY_PING "ping"
#define SAY_PAUSE "pause"
#define SAY_SERVE "serve"
#define SAY_RESUME "resume"
#define SAY_EXIT "exit"

/* Lines of a server. */
#define SAID_PONG "pong"
#define SAID_STANDBY "standby"
#define SAID_PAUSED "paused"
#define SAID_SERVING "serving"
#define SAID_BYE "bye"
#define SAID_RELOAD "reload"

/* Where requests in hand are received in the shared state. */
#define STATE_REQUEST_AT 4096
#define STATE_BETWEEN_AT 135168

/* What dendro-enter is told, and where it says that it stands in the root. */
#define ENTER_ROOT "root"
#define ENTER_JOIN "join"
#define ENTERED_FD 3

/* Exit statuses of a program that starts another one, as shells have them. */
#define STATUS_NOT_TRIED 125
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_THERE 127
#define STATUS_BY_SIGNAL 128

#endif
