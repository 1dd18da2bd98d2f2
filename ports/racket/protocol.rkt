#lang racket/base
;; Requests and replies: lines of words. Whatever is wrong with a request raises exn:fail:request.

(require (only-in racket/list first second third) racket/match racket/flonum racket/string racket/vector "exact.rkt" "model.rkt")
(provide longest-line current-lines each-line line-case finish take take-one take-while
         integer-in double exponent code-point one-of take-tensor take-matrices
         put put-tensor put-matrices put-checksum)

(define longest-line 65536)

;; ---- Reading.

;; The lines of the request that are still to be read.
(define current-lines (make-parameter '()))

(define (words line)
  (when (> (string-length line) longest-line)
    (refuse "a line is longer than ~a bytes" longest-line))
  (string-split line " " #:trim? #f))

(define (next-line)
  (match (current-lines)
    ['() (refuse "the request ends too early")]
    [(cons line others) (current-lines others) (words line)]))

(define (finish)
  (unless (null? (current-lines))
    (refuse "expected the end")))

;; The values of the next line, which must have this key.
(define (take key)
  (match (next-line)
    [(cons (== key) values) values]
    [_ (refuse "expected a line ~a" key)]))

;; What read makes of the one value of that line.
(define (take-one key read)
  (match (take key)
    [(list value) (read value)]
    [_ (refuse "~a takes 1 value" key)]))

;; What read makes of the values of each line with this key.
(define (take-while key read)
  (let loop ([items '()])
    (match (current-lines)
      [(cons (app words (cons (== key) values)) others)
       (current-lines others)
       (loop (cons (read values) items))]
      [_ (reverse items)])))

;; match on the next line, a list of the key and its values.
(define-syntax-rule (line-case clause ...)
  (match (next-line)
    clause ...
    [_ (refuse "an unknown key, or another number of values than it takes")]))

;; The same on each of the lines that are left; there must be one.
(define-syntax-rule (each-line clause ...)
  (let loop ()
    (line-case clause ...)
    (unless (null? (current-lines))
      (loop))))

;; A reader of integers from low to high.
(define ((integer-in low high) word)
  (unless (regexp-match? #px"^(0|[1-9][0-9]{0,9})$" word)
    (refuse "expected an integer"))
  (define n (string->number word))
  (if (<= low n high) n (refuse "an integer is not in the range from ~a to ~a" low high)))

(define (double word)
  (unless (regexp-match? #px"^[0-9a-f]{16}$" word)
    (refuse "a double has 16 lower-case hex digits"))
  (bits->double (string->number word 16)))

(define ((exponent limit) word)
  (define c (double word))
  (if (and (rational? c) (<= (abs c) limit) (integer? (* 2.0 c)))
      c
      (refuse "an exponent is an integer or half-integer up to ~a" limit)))

(define (code-point word)
  (define point ((integer-in 0 #x10ffff) word))
  (if (<= #xd800 point #xdfff)
      (refuse "a surrogate is not a code point")
      (integer->char point)))

;; A reader of one of a few words; it gives what the word stands for.
(define ((one-of choices) word)
  (cdr (or (assoc word choices)
           (refuse "expected one of ~a" (string-join (map car choices))))))

;; A vector of rows. A shape that is #f may be any.
(define (take-tensor name [rows #f] [columns #f])
  (define size (integer-in 1 2048))
  (match (take "tensor")
    [(list (== name) (app size r) (app size c))
     (unless (and (= r (or rows r)) (= c (or columns c)))
       (refuse "~a has the wrong shape" name))
     (for/vector #:length r ([_ (in-range r)])
       (define row (list->vector (map double (take "row"))))
       (if (= (vector-length row) c) row (refuse "a row of ~a does not have ~a values" name c)))]
    [_ (refuse "expected the tensor ~a" name)]))

;; The doubles of all matrices of a model. Each tensor's name begins with the prefix.
(define (take-matrices shape [prefix ""])
  (for*/vector ([matrix (in-list (matrices shape))]
                [row (in-vector (take-tensor (string-append prefix (first matrix)) (second matrix) (third matrix)))]
                [x (in-vector row)])
    x))

;; ---- Writing. The current output port is the reply, which is known before it is sent.

(define (hex n digits)
  (define text (number->string n 16))
  (string-append (make-string (- digits (string-length text)) #\0) text))

(define (put-value value)
  (match value
    [(? flonum?) (write-char #\space) (write-string (hex (double->bits value) 16))]
    [(? vector?) (for ([item (in-vector value)]) (put-value item))]
    [(? list?) (for-each put-value value)]
    [_ (write-char #\space) (display value)]))

;; A line of the reply. A list or vector among the values stands for its items.
(define (put key . values)
  (write-string key)
  (for-each put-value values)
  (newline))

(define (put-tensor name rows columns doubles [start 0])
  (put "tensor" name rows columns)
  (for ([row (in-range start (+ start (* rows columns)) columns)])
    (put "row" (vector-copy doubles row (+ row columns)))))

(define (put-matrices shape doubles [prefix ""])
  (for/fold ([start 0] #:result (void)) ([matrix (in-list (matrices shape))])
    (match-define (list name rows columns) matrix)
    (put-tensor (string-append prefix name) rows columns doubles start)
    (+ start (* rows columns))))

(define (put-checksum key doubles)
  (define modulus 4294967291)
  (define (add a b half)
    (define next (modulo (+ a half) modulus))
    (values next (modulo (+ b next) modulus)))
  (define-values (a b)
    (for/fold ([a 1] [b 0]) ([x (in-vector doubles)])
      (define-values (high low) (quotient/remainder (double->bits x) (expt 2 32)))
      (define-values (half-a half-b) (add a b high))
      (add half-a half-b low)))
  (put key (hex a 8) (hex b 8)))
