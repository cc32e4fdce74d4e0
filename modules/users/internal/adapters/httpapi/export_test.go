package httpapi

// Problem says how an error of a handler is answered; nil means a fault.
var Problem = problem

// ActorOf returns who the guard let pass.
var ActorOf = actorOf
