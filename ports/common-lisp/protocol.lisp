;;;; Requests and replies: lines of words. Whatever is wrong with a request is the condition BAD-REQUEST.

(in-package :microgpt)

(define-condition bad-request (error)
  ((reason :initarg :reason :reader reason))
  (:report (lambda (condition stream) (write-string (reason condition) stream))))

(defun refuse (&rest format)
  (error 'bad-request :reason (apply #'format nil format)))

(defconstant +longest+ 65536)

;;; Reading.

(defvar *lines* '() "The lines of the request that are still to be read.")

(defun words (line)
  (declare (type simple-string line))
  (when (> (length line) +longest+)
    (refuse "a line is longer than ~d bytes" +longest+))
  (loop for start = 0 then (1+ end)
        for end = (position #\Space line :start start)
        collect (subseq line start end)
        while end))

(defun next-line ()
  (unless *lines*
    (refuse "the request ends too early"))
  (words (pop *lines*)))

(defun finish ()
  (when *lines*
    (refuse "expected the end")))

(defun digits-p (word radix)
  (and (plusp (length word))
       (every (lambda (c) (and (digit-char-p c radix) (char< c #\Rubout) (not (upper-case-p c)))) word)))

(defun whole (word low high)
  (unless (and (digits-p word 10) (<= (length word) 10) (or (char/= (char word 0) #\0) (string= word "0")))
    (refuse "expected an integer"))
  (let ((n (parse-integer word)))
    (if (<= low n high) n (refuse "an integer is not in the range from ~d to ~d" low high))))

(defun double (word)
  (unless (and (= (length word) 16) (digits-p word 16))
    (refuse "a double has 16 lower-case hex digits"))
  (let* ((high (parse-integer word :end 8 :radix 16))
         (x (sb-kernel:make-double-float (- high (ash (ldb (byte 1 31) high) 32))
                                         (parse-integer word :start 8 :radix 16))))
    (if (nan-p x) **nan** x)))

(defun exponent (word limit)
  (let ((c (double word)))
    (if (and (not (nan-p c)) (<= (abs c) limit) (integerp (* 2 (rational c))))
        c
        (refuse "an exponent is an integer or half-integer up to ~d" limit))))

(defun code-point (word)
  (let ((point (whole word 0 #x10ffff)))
    (if (<= #xd800 point #xdfff) (refuse "a surrogate is not a code point") (code-char point))))

(defun one-of (word choices)
  (cdr (or (assoc word choices :test #'string=) (refuse "expected one of~{ ~a~}" (mapcar #'car choices)))))

(defun take (key)
  "The values of the next line, which must have this key."
  (destructuring-bind (found . values) (next-line)
    (if (string= found key) values (refuse "expected a line ~a" key))))

(defun take-one (key reader &rest arguments)
  "What READER makes of the one value of the next line."
  (let ((values (take key)))
    (if (= (length values) 1)
        (apply reader (first values) arguments)
        (refuse "~a takes 1 value" key))))

(defun take-while (key reader)
  "A list of what READER makes of the values of each line with this key."
  (loop while (and *lines* (string= key (first (words (first *lines*)))))
        collect (funcall reader (take key))))

(defmacro line-case ((key) &body clauses)
  "Read the next line, and choose the clause with its key and number of values. A clause is (key parameters body...);
a parameter is a variable and the reader that makes its value, with arguments; the one after &rest takes all values
that are left, at least one. KEY is bound to the key."
  (let ((words (gensym "WORDS")))
    (flet ((clause (name parameters body)
             (let* ((many (member '&rest parameters)) (parameters (remove '&rest parameters)))
               `((and (string= ,key ,name) (,(if many '>= '=) (length ,words) ,(length parameters)))
                 (let* ,(loop for (variable reader . arguments) in parameters
                              for last from (1- (length parameters)) downto 0
                              collect `(,variable ,(if (and many (zerop last))
                                                       `(mapcar (lambda (word) (,reader word ,@arguments)) ,words)
                                                       `(,reader (pop ,words) ,@arguments))))
                   ,@body)))))
      `(destructuring-bind (,key . ,words) (next-line)
         (cond ,@(loop for (name parameters . body) in clauses collect (clause name parameters body))
               (t (refuse "an unknown key, or another number of values than it takes")))))))

(defmacro each-line ((key) &body clauses)
  "LINE-CASE on each of the lines that are left; there must be one."
  `(loop do (line-case (,key) ,@clauses) while *lines*))

(defun take-row (columns)
  (let ((row (mapcar #'double (take "row"))))
    (if (= (length row) columns) row (refuse "a row does not have ~d values" columns))))

(defun take-tensor (name &optional rows columns)
  "An array of the tensor's doubles, its rows and its columns."
  (let ((values (take "tensor")))
    (unless (and (= (length values) 3) (string= (first values) name))
      (refuse "expected the tensor ~a" name))
    (destructuring-bind (r c) (mapcar (lambda (word) (whole word 1 2048)) (rest values))
      (unless (and (= r (or rows r)) (= c (or columns c)))
        (refuse "~a has the wrong shape" name))
      (let ((tensor (make-doubles (* r c))))
        (dotimes (row r)
          (replace tensor (take-row c) :start1 (* row c)))
        (values tensor r c)))))

(defun take-matrices (shape &optional (prefix ""))
  (apply #'concatenate 'doubles
         (loop for (name rows columns) in (matrices shape)
               collect (take-tensor (format nil "~a~a" prefix name) rows columns))))

;;; Writing. A reply is known before it is sent, since a request can be wrong at its last line.

(defvar *reply* *standard-output*)

(defun halves (x)
  "The upper and lower 32 bits of a double."
  (declare (type double-float x))
  (let ((x (if (nan-p x) **nan** x)))
    (values (ldb (byte 32 0) (sb-kernel:double-float-high-bits x)) (sb-kernel:double-float-low-bits x))))

(defun put-word (word)
  (etypecase word
    (string (write-string word *reply*))
    (integer (format *reply* "~d" word))
    (double-float
     (flet ((put-half (half)
              (loop for place from 28 downto 0 by 4
                    do (write-char (char "0123456789abcdef" (ldb (byte 4 place) half)) *reply*))))
       (multiple-value-bind (high low) (halves word)
         (put-half high)
         (put-half low))))))

(defun put (key &rest values)
  "A line of the reply. A sequence among the values stands for its items."
  (write-string key *reply*)
  (flet ((put-value (value)
           (write-char #\Space *reply*)
           (put-word value)))
    (dolist (value values)
      (if (typep value '(and sequence (not string)))
          (map nil #'put-value value)
          (put-value value))))
  (terpri *reply*))

(defun put-tensor (name doubles rows columns &optional (start 0))
  (put "tensor" name rows columns)
  (dotimes (row rows)
    (put "row" (subseq doubles (+ start (* row columns)) (+ start (* (1+ row) columns))))))

(defun put-matrices (shape doubles &optional (prefix ""))
  (loop for (name rows columns) in (matrices shape)
        for start = 0 then (+ start size)
        for size = (* rows columns)
        do (put-tensor (format nil "~a~a" prefix name) doubles rows columns start)))

(defun put-checksum (key doubles count)
  (let ((a 1) (b 0))
    (declare (type (unsigned-byte 32) a b))
    (flet ((add (half)
             (declare (type (unsigned-byte 32) half))
             (setf a (mod (+ a half) 4294967291)
                   b (mod (+ b a) 4294967291))))
      (dotimes (i count)
        (multiple-value-bind (high low) (halves (aref doubles i))
          (add high)
          (add low))))
    (put key (format nil "~(~8,'0x ~8,'0x~)" a b))))
