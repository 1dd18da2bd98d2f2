:- module(refuse, [refuse/1, refuse/2]).

%   What is wrong with a request, or with the command line.
refuse(Reason) :- throw(refused(Reason)).
refuse(Format, Arguments) :- format(string(Reason), Format, Arguments), refuse(Reason).
