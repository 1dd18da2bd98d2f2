!> The verbs (SPEC, section 12), each from the request to the reply.
module verbs
  use, intrinsic :: iso_fortran_env, only: int64, output_unit, real64
  use exact
  use gpt
  use protocol
  implicit none
  private
  public :: answer_requests, run_preset

  character(*), parameter :: names = 'hello arith math random tokens graph forward backward adam train sample run'
  character(*), parameter :: other = 'an unknown key, or values that it does not take'
  type(request_type) :: request
  type(reply_type), target :: reply

contains

  subroutine answer_requests()
    do while (request%read())
      reply = reply_type()
      if (.not. request%is_complete) call raise('the input ended before the line end')
      call reply%line('ok ' // request%id)
      if (.not. failed()) call answer(request%verb)
      if (failed()) then
        call send('error ' // request%id // ' ' // problem // new_line('a') // 'end')
      else
        call send(reply%text(:reply%length) // 'end')
      end if
      call reset()
    end do
  end subroutine

  subroutine answer(verb)
    character(*), intent(in) :: verb
    select case (verb)
    case ('hello'); call hello()
    case ('arith'); call arith()
    case ('math'); call math()
    case ('random'); call random()
    case ('tokens'); call tokens()
    case ('graph'); call graph()
    case ('forward'); call forward()
    case ('backward'); call backward()
    case ('adam'); call adam()
    case ('train'); call train()
    case ('sample'); call sample()
    case ('run'); call run_verb()
    case default; call raise('unsupported')
    end select
  end subroutine

  subroutine hello()
    call request%finish()
    call reply%line('name fortran')
    call reply%line('protocol 1')
    call reply%line('verbs ' // names)
    call reply%line('math exact')
  end subroutine

  subroutine put_code_points(key, text, points)
    character(*), intent(in) :: key, text
    integer, intent(in) :: points(:)
    integer :: i
    call reply%put(key, [(iachar(text(i:i)), i = 1, len(text)), points])
  end subroutine

  subroutine arith()
    real(real64), allocatable :: x(:)
    integer :: n
    do
      call request%take_next()
      x = request%doubles(1)
      if (failed()) return
      n = size(x)
      if (request%is('add', 2)) then
        call reply%put('add', x(1) + x(2))
      else if (request%is('sub', 2)) then
        call reply%put('sub', x(1) - x(2))
      else if (request%is('mul', 2)) then
        call reply%put('mul', x(1) * x(2))
      else if (request%is('div', 2)) then
        call reply%put('div', x(1) / x(2))
      else if (request%is('sqrt', 1)) then
        call reply%put('sqrt', sqrt(x(1)))
      else if (request%is('muladd', 3)) then
        call reply%put('muladd', x(1) * x(2) + x(3))
      else if (request%is('sum', n) .and. n > 0) then
        call reply%put('sum', sum(x))
      else if (request%is('dot', n) .and. n > 0 .and. mod(n, 2) == 0) then
        call reply%put('dot', dot_product(x(1::2), x(2::2)))
      else if (request%is('decimals', 1) .and. .not. (abs(x(1)) > 2.0_real64**53 .and. abs(x(1)) <= huge(x))) then
        call put_code_points('decimals', decimals(x(1)), [integer ::])
      else
        call raise(other)
      end if
      if (request%at_end()) exit
    end do
  end subroutine

  !> The double at this place, which must be an integer or half-integer.
  real(real64) function exponent_at(place, limit) result(c)
    integer, intent(in) :: place
    real(real64), intent(in) :: limit
    c = request%double(place)
    if (.not. (abs(c) <= limit)) call raise('an exponent is too large')
    if (aint(2.0_real64 * c) /= 2.0_real64 * c) call raise('an exponent is an integer or half-integer')
  end function

  subroutine math()
    real(real64) :: x, y
    call request%take_math()
    do
      call request%take_next()
      x = request%double(1)
      if (failed()) return
      y = nan
      if (request%is('exp', 1)) then
        y = exact_exp(x)
      else if (request%is('log', 1)) then
        y = exact_log(x)
      else if (request%is('sin', 1) .and. .not. abs(x) > 8.0_real64) then
        y = exact_sin(x)
      else if (request%is('cos', 1) .and. .not. abs(x) > 8.0_real64) then
        y = exact_cos(x)
      else if (request%is('pow', 2)) then
        y = exponent_at(2, 4096.0_real64)
        if (.not. failed()) y = exact_pow(x, y)
      else
        call raise(other)
      end if
      call reply%put(request%key, y)
      if (request%at_end()) exit
    end do
  end subroutine

  subroutine random()
    type(twister_type) :: twister
    real(real64), allocatable :: weights(:)
    real(real64) :: sigma
    integer :: i, n
    call request%take_math()
    call request%take('seed', 1)
    twister = seeded(request%whole(1, 0_int64, 4294967295_int64))
    do
      call request%take_next()
      if (request%is('state', 0)) then
        call reply%put('state', [int(twister%index, int64), twister%words])
        if (twister%has_kept) call reply%put('kept', twister%kept)
        if (.not. twister%has_kept) call reply%line('kept none')
      else if (request%is('shuffle', 1)) then
        call reply%put('shuffle', twister%shuffled(int(request%whole(1, 0_int64, 10000_int64))) - 1)
      else
        n = int(request%whole(1, 0_int64, 1000_int64))
        if (failed()) return
        if (request%is('words', 1)) then
          call reply%put('words', [(twister%word(), i = 1, n)])
        else if (request%is('random', 1)) then
          call reply%put('random', [(twister%random(), i = 1, n)])
        else if (request%is('gauss', 2)) then
          sigma = request%double(2)
          call reply%put('gauss', [(twister%gauss(sigma), i = 1, n)])
        else if (request%key == 'choices' .and. request%values >= 2 .and. request%values <= 1001) then
          weights = request%doubles(2)
          if (failed()) return
          call reply%put('choices', [(twister%choice(weights), i = 1, n)])
        else
          call raise(other)
        end if
      end if
      if (request%at_end()) exit
    end do
  end subroutine

  !> The documents of the last lines.
  function dataset() result(documents)
    type(text_type), allocatable :: documents(:), more(:)
    integer, allocatable :: line(:)
    integer :: count
    allocate (documents(64))
    count = 0
    do
      call request%take('line')
      if (request%values > 10000) call raise('a line has at most 10000 code points')
      line = request%wholes(0, 1114111)
      if (any(shiftr(line, 11) == 27)) call raise('a surrogate is not a code point')
      call add_document(documents, count, line)
      if (request%at_end()) exit
    end do
    allocate (more(count), source=documents(:count))
    call move_alloc(more, documents)
  end function

  subroutine add_document(documents, count, line)
    type(text_type), allocatable, intent(inout) :: documents(:)
    integer, intent(inout) :: count
    integer, intent(in) :: line(:)
    type(text_type), allocatable :: more(:)
    integer :: i
    associate (document => strip(line))
      if (size(document) == 0) return
      if (count == size(documents)) then
        allocate (more(2 * count))
        do i = 1, count
          call move_alloc(documents(i)%point, more(i)%point)
        end do
        call move_alloc(more, documents)
      end if
      count = count + 1
      documents(count)%point = document
    end associate
  end subroutine

  subroutine tokens()
    type(text_type), allocatable :: documents(:)
    integer, allocatable :: points(:)
    integer :: i
    documents = dataset()
    points = vocabulary_of(documents)
    if (failed()) return
    call reply%put('documents', size(documents))
    call reply%put('vocabulary', points)
    call reply%put('bos', size(points))
    do i = 1, size(documents)
      call reply%put('encoded', encoded(documents(i), points))
    end do
  end subroutine

  subroutine graph()
    type(tape_type) :: tape
    integer, allocatable :: nodes(:), more(:)
    integer :: count, root, i
    allocate (nodes(64))
    count = 0
    call request%take_math()
    do while (.not. request%next_is('root'))
      call request%take_next()
      root = expression(tape, nodes(:count))
      if (failed()) return
      if (count == size(nodes)) then
        allocate (more(2 * count))
        more(:count) = nodes
        call move_alloc(more, nodes)
      end if
      count = count + 1
      nodes(count) = root
    end do
    if (count == 0) call raise('expected an expression before the root')
    root = request%take_integer('root', 0, count - 1) + 1
    call request%finish()
    if (failed()) return
    call tape%backward(nodes(root))
    do i = 1, count
      call reply%put('value', tape%value(nodes(i)))
    end do
    do i = 1, count
      call reply%put('gradient', tape%gradient(nodes(i)))
    end do
  end subroutine

  !> The node of the expression in the line taken last.
  integer function expression(tape, nodes) result(e)
    type(tape_type), intent(inout) :: tape
    integer, intent(in) :: nodes(0:)
    integer :: a, b, i
    real(real64) :: c
    e = 0
    select case (request%key)
    case ('leaf')
      call operands('c')
      if (.not. failed()) e = tape%leaf(c)
    case ('add', 'sub', 'mul', 'div')
      call operands('ab')
      if (failed()) return
      if (request%key == 'add') e = tape%add(a, b)
      if (request%key == 'sub') e = tape%add(a, tape%scale(b, -1.0_real64))
      if (request%key == 'mul') e = tape%mul(a, b)
      if (request%key == 'div') e = tape%mul(a, tape%pow(b, -1.0_real64))
    case ('neg', 'exp', 'log', 'relu')
      call operands('a')
      if (failed()) return
      if (request%key == 'neg') e = tape%scale(a, -1.0_real64)
      if (request%key == 'exp') e = tape%exp(a)
      if (request%key == 'log') e = tape%log(a)
      if (request%key == 'relu') e = tape%relu(a)
    case ('pow')
      call operands('ac')
      c = exponent_at(2, 1024.0_real64)
      if (.not. failed()) e = tape%pow(a, c)
    case ('add_number', 'sub_number', 'mul_number', 'div_number')
      call operands('ac')
      if (failed()) return
      if (request%key == 'add_number') e = tape%shift(a, c)
      if (request%key == 'sub_number') e = tape%shift(a, -c)
      if (request%key == 'mul_number') e = tape%scale(a, c)
      if (request%key == 'div_number') e = tape%scale(a, 1.0_real64 / c)
    case ('number_sub', 'number_div')
      call operands('ca')
      if (failed()) return
      if (request%key == 'number_sub') e = tape%shift(tape%scale(a, -1.0_real64), c)
      if (request%key == 'number_div') e = tape%scale(tape%pow(a, -1.0_real64), c)
    case ('sum')
      e = node_at(1)
      if (.not. failed()) e = tape%shift(e, 0.0_real64)
      do i = 2, request%values
        a = node_at(i)
        if (.not. failed()) e = tape%add(e, a)
      end do
    case default
      call raise('an unknown expression')
    end select
  contains
    integer function node_at(place)
      integer, intent(in) :: place
      integer :: number
      node_at = 0
      if (size(nodes) == 0) call raise('the first expression must be a leaf')
      number = int(request%whole(place, 0_int64, size(nodes) - 1_int64))
      if (.not. failed()) node_at = nodes(number)
    end function
    !> Reads nodes a and b and the number c, in the order of their letters.
    subroutine operands(letters)
      character(*), intent(in) :: letters
      integer :: k
      if (request%values /= len(letters)) call raise('a wrong count of operands')
      do k = 1, len(letters)
        select case (letters(k:k))
        case ('a'); a = node_at(k)
        case ('b'); b = node_at(k)
        case ('c'); c = request%double(k)
        end select
      end do
    end subroutine
  end function

  function take_shape() result(shape)
    type(shape_type) :: shape
    integer :: t
    call request%take_math()
    shape%layers = request%take_integer('layers', 1, 16)
    shape%heads = request%take_integer('heads', 1, 64)
    shape%embedding = request%take_integer('embedding', 1, 512)
    if (mod(shape%embedding, shape%heads) /= 0) call raise('embedding must be a multiple of heads')
    shape%block = request%take_integer('block', 1, 1024)
    shape%vocabulary = request%take_integer('vocabulary', 2, 2048)
    shape%squared = request%take_choice('activation', 'relu', 'squared_relu')
    allocate (shape%attend(shape%block))
    do t = 1, shape%block
      call request%take('attend')
      shape%attend(t)%item = request%wholes(0, t - 1)
      if (failed()) return
      associate (list => shape%attend(t)%item, n => size(shape%attend(t)%item))
        if (n == 0) then
          call raise('attend takes one or more positions')
        else if (list(n) /= t - 1 .or. any(list(2:) <= list(:n - 1))) then
          call raise('attend must increase and end with its own position')
        end if
      end associate
    end do
  end function

  function take_document(shape) result(document)
    type(shape_type), intent(in) :: shape
    integer, allocatable :: document(:)
    call request%take('tokens')
    document = request%wholes(0, shape%vocabulary - 1)
    if (size(document) < 2) call raise('tokens takes two or more')
  end function

  !> Numbers for all matrices of the model.
  function take_matrices(model, prefix) result(x)
    type(model_type), intent(in) :: model
    character(*), intent(in) :: prefix
    real(real64), allocatable :: x(:)
    integer :: i, rows, columns
    allocate (x(0))
    do i = 1, size(model%matrix)
      rows = size(model%matrix(i)%node, 2)
      columns = size(model%matrix(i)%node, 1)
      call request%take_tensor(prefix // trim(model%matrix(i)%name), rows, columns, x)
      if (failed()) return
    end do
  end function

  subroutine take_parameters(model)
    type(model_type), intent(inout) :: model
    real(real64), allocatable :: x(:)
    integer :: i, node
    x = take_matrices(model, '')
    do i = 1, size(x)
      node = model%tape%leaf(x(i))
    end do
  end subroutine

  subroutine forward()
    type(shape_type) :: shape
    type(model_type) :: model
    integer, allocatable :: document(:)
    shape = take_shape()
    document = take_document(shape)
    if (failed()) return
    model = make_model(shape)
    call take_parameters(model)
    call request%finish()
    if (failed()) return
    model%reply => reply
    associate (loss => model%loss(document))
      call reply%put('loss', model%tape%value(loss))
    end associate
  end subroutine

  subroutine backward()
    type(shape_type) :: shape
    type(model_type) :: model
    integer, allocatable :: document(:)
    integer :: loss
    shape = take_shape()
    document = take_document(shape)
    if (failed()) return
    model = make_model(shape)
    call take_parameters(model)
    call request%finish()
    if (failed()) return
    loss = model%loss(document)
    call model%tape%backward(loss)
    call reply%put('loss', model%tape%value(loss))
    call model%put(reply, '', model%tape%gradient)
  end subroutine

  type(adam_type) function take_adam() result(adam)
    adam%learning_rate = request%take_double('learning_rate')
    adam%beta1 = request%take_double('beta1')
    adam%beta2 = request%take_double('beta2')
    adam%epsilon = request%take_double('epsilon')
    adam%is_cosine = request%take_choice('schedule', 'linear', 'cosine')
    adam%steps = request%take_integer('steps', 1, 4096)
  end function

  subroutine adam()
    type(adam_type) :: settings
    real(real64), allocatable :: p(:), g(:), m(:), v(:)
    real(real64) :: factors(3)
    integer :: step, rows, columns
    call request%take_math()
    settings = take_adam()
    step = request%take_integer('step', 0, settings%steps - 1)
    allocate (p(0), g(0), m(0), v(0))
    rows = 0
    columns = 0
    call request%take_tensor('parameters', rows, columns, p)
    call request%take_tensor('gradients', rows, columns, g)
    call request%take_tensor('m', rows, columns, m)
    call request%take_tensor('v', rows, columns, v)
    call request%finish()
    if (failed()) return
    factors = settings%rate(step)
    call settings%update(step, p, g, m, v)
    call reply%put('rate', factors(1))
    call reply%put('correction1', factors(2))
    call reply%put('correction2', factors(3))
    call reply%put_tensor('m', rows, columns, m)
    call reply%put_tensor('v', rows, columns, v)
    call reply%put_tensor('parameters', rows, columns, p)
  end subroutine

  subroutine train()
    type(shape_type) :: shape
    type(adam_type) :: settings
    type(model_type) :: model
    type(text_type), allocatable :: documents(:)
    integer, allocatable :: full(:)
    real(real64), allocatable :: m(:), v(:)
    integer :: from, last, step
    shape = take_shape()
    settings = take_adam()
    from = request%take_integer('from', 0, settings%steps - 1)
    last = from + request%take_integer('count', 1, settings%steps - from) - 1
    call request%take('full')
    full = request%wholes(from, last)
    if (failed()) return
    if (any(full(2:) <= full(:size(full) - 1))) call raise('the steps of full must increase')
    allocate (documents(0))
    do
      documents = [documents, text_type(take_document(shape))]
      if (.not. request%next_is('tokens')) exit
    end do
    if (failed()) return
    model = make_model(shape)
    call take_parameters(model)
    if (from > 0) then
      m = take_matrices(model, 'm.')
      v = take_matrices(model, 'v.')
    else
      allocate (m(model%parameters), v(model%parameters), source=0.0_real64)
    end if
    call request%finish()
    if (failed()) return
    do step = from, last
      associate (document => documents(mod(step, size(documents)) + 1), n => model%parameters, &
        loss => settings%step(step, model, documents(mod(step, size(documents)) + 1)%point, m, v))
        call reply%put('step', step)
        call reply%put('loss', loss)
        call reply%put_checksum('gradients', model%tape%gradient(:n))
        call reply%put_checksum('m', m)
        call reply%put_checksum('v', v)
        call reply%put_checksum('parameters', model%tape%value(:n))
      end associate
      if (all(full /= step)) cycle
      call model%put(reply, 'gradients.', model%tape%gradient)
      call model%put(reply, 'm.', m)
      call model%put(reply, 'v.', v)
      call model%put(reply, 'parameters.', model%tape%value)
    end do
  end subroutine

  subroutine sample()
    type(shape_type) :: shape
    type(model_type) :: model
    type(twister_type) :: twister
    real(real64) :: temperature
    integer :: samples, i
    shape = take_shape()
    temperature = request%take_double('temperature')
    samples = request%take_integer('samples', 0, 1000)
    if (failed()) return
    model = make_model(shape)
    call take_parameters(model)
    call request%take('state', 625)
    if (failed()) return
    twister%index = int(request%whole(1, 0_int64, 624_int64))
    twister%words = [(request%whole(i, 0_int64, 4294967295_int64), i = 2, 625)]
    call request%take('kept', 1)
    twister%has_kept = request%word(1) /= 'none'
    if (twister%has_kept) twister%kept = request%double(1)
    call request%finish()
    if (failed()) return
    do i = 0, samples - 1
      call reply%put('sample', i)
      associate (tokens => model%sample(temperature, twister, reply))
        if (failed()) return
      end associate
    end do
    call reply%put('word', [twister%word()])
  end subroutine

  subroutine run_verb()
    type(text_type), allocatable :: documents(:)
    type(model_type) :: model
    type(twister_type) :: twister
    real(real64), allocatable :: m(:), v(:)
    integer :: steps, samples
    logical :: is_classic
    call request%take_math()
    is_classic = request%take_choice('preset', 'seed', 'classic')
    steps = request%take_integer('steps', 1, 4096)
    samples = request%take_integer('samples', 0, 1000)
    documents = dataset()
    if (failed()) return
    call run(.not. is_classic, steps, samples, documents, put_line, model, m, v, twister)
    if (failed()) return
    call reply%put_checksum('parameters', model%tape%value(:size(m)))
    call reply%put_checksum('m', m)
    call reply%put_checksum('v', v)
    call reply%put('word', [twister%word()])
  end subroutine

  subroutine put_line(text, points)
    character(*), intent(in) :: text
    integer, intent(in) :: points(:)
    call put_code_points('print', text, points)
  end subroutine

  ! The command line

  subroutine run_preset(name)
    character(*), intent(in) :: name
    type(text_type), allocatable :: documents(:), more(:)
    type(model_type) :: model
    type(twister_type) :: twister
    real(real64), allocatable :: m(:), v(:)
    character(:), allocatable :: line
    integer :: count, steps
    allocate (documents(64))
    count = 0
    do while (read_line(line))
      call add_document(documents, count, decoded(line))
    end do
    allocate (more(count), source=documents(:count))
    steps = merge(500, 1000, name == 'seed')
    if (.not. failed()) call run(name == 'seed', steps, 20, more, print_line, model, m, v, twister)
  end subroutine

  !> The code points of UTF-8.
  function decoded(text) result(points)
    character(*), intent(in) :: text
    integer, parameter :: least(0:3) = [0, 128, 2048, 65536]  ! that takes so many more bytes
    integer, allocatable :: points(:)
    integer :: i, k, count, point, more, byte
    allocate (points(len(text)))
    count = 0
    i = 1
    do while (i <= len(text))
      point = iachar(text(i:i))
      more = 3
      if (point < 240) more = 2
      if (point < 224) more = 1
      if (point < 128) more = 0
      if (more > 0 .and. (point < 192 .or. point >= 248)) call raise('the input is not UTF-8')
      if (i + more > len(text)) call raise('the input is not UTF-8')
      if (failed()) return
      if (more > 0) point = ibits(point, 0, 6 - more)
      do k = i + 1, i + more
        byte = iachar(text(k:k))
        if (shiftr(byte, 6) /= 2) call raise('the input is not UTF-8')
        point = ior(shiftl(point, 6), ibits(byte, 0, 6))
      end do
      if (point < least(more) .or. point > 1114111 .or. shiftr(point, 11) == 27) call raise('the input is not UTF-8')
      count = count + 1
      points(count) = point
      i = i + more + 1
    end do
    points = points(:count)
  end function

  subroutine print_line(text, points)
    character(*), intent(in) :: text
    integer, intent(in) :: points(:)
    character(4 * size(points)) :: bytes
    integer :: i, k, more, length
    length = 0
    do i = 1, size(points)
      more = count(points(i) >= [128, 2048, 65536])
      length = length + 1
      bytes(length:length) = achar(ior(shiftr(points(i), 6 * more), merge(0, iand(shiftr(65280, more + 1), 255), more == 0)))
      do k = more - 1, 0, -1
        length = length + 1
        bytes(length:length) = achar(128 + ibits(points(i), 6 * k, 6))
      end do
    end do
    call send(text // bytes(:length))
  end subroutine
end module

program microgpt
  use, intrinsic :: iso_fortran_env, only: error_unit
  use protocol, only: failed, problem, raise
  use verbs
  implicit none
  character(16) :: word, name
  integer :: length
  name = 'seed'
  call get_command_argument(1, word, length)
  if (command_argument_count() == 2) call get_command_argument(2, name, length)
  if (command_argument_count() == 0) then
    call answer_requests()
  else if (command_argument_count() <= 2 .and. word == 'run' .and. (name == 'seed' .or. name == 'classic')) then
    call run_preset(trim(name))
  else
    call raise('usage: microgpt [run [seed|classic] < names.txt]')
  end if
  if (failed()) then
    write (error_unit, '(a)') 'microgpt: ' // problem
    stop 1, quiet=.true.
  end if
end program
