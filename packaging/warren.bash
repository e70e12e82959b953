# Completion of warren(1) for bash.

# Names of peers, from the daemon; silent without one.
_warren_names() {
	warren status 2>/dev/null | sed -n '/^NAME /,$ { /^NAME /d; /^!/d; s/ .*//p }'
}

_warren() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb="" i
	local verbs="up down logout status ping netcheck routes nc speed ip whois set get wait rotate-key metrics bugreport version"

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) ((i++)) ;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done

	case $previous in
	--socket | --token-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--check)
		mapfile -t COMPREPLY < <(compgen -W "live ready connected" -- "$word")
		return
		;;
	esac

	local choices=""
	case $verb in
	"") choices="$verbs --socket --help --version" ;;
	up) choices="--token-file --hostname --timeout" ;;
	status) choices="-d --json --watch --check" ;;
	ping) choices="-c --until-direct --timeout $(_warren_names)" ;;
	netcheck | routes) choices="--json" ;;
	ip | whois) choices=$(_warren_names) ;;
	nc) choices="-w $(_warren_names)" ;;
	speed) choices="--time --json $(_warren_names)" ;;
	wait) choices="live ready connected --timeout" ;;
	set)
		case $((COMP_CWORD - i)):${COMP_WORDS[i + 1]} in
		1:*) choices="path exit-node offer-exit routes accept-routes names speed" ;;
		2:path) choices=$(_warren_names) ;;
		2:exit-node) choices="auto none $(_warren_names)" ;;
		2:offer-exit | 2:accept-routes | 2:names | 2:speed) choices="yes no" ;;
		3:path) choices="auto direct relay" ;;
		2:routes) choices="none" ;;
		*:routes) choices="--map --snat --weight yes no" ;;
		*:exit-node) choices="--keep-local --kill-switch yes no" ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _warren warren
