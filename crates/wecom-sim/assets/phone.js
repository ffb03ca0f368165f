// Draws chats as members and groups see them. Everything a message holds is put in as text, never as HTML.
'use strict';
const chats = new Map(); // id -> { name, messages: Map(number -> sent) }
const names = new Map(); // userid -> name
const apps = new Map();  // agentid -> name
let chosen = null;

const el = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

function chat(id, name) {
  if (!chats.has(id)) chats.set(id, { name, messages: new Map() });
  return chats.get(id);
}

function take(sent) {
  if (sent.swallowed) return;
  if (sent.target.kind === 'robot') chat('robot:' + sent.target.key, '群 · ' + sent.target.group).messages.set(sent.number, sent);
  else for (const user of sent.target.users) chat('user:' + user, names.get(user) || user).messages.set(sent.number, sent);
}

// WeCom's text: links and mentions. Markdown: headings, bold, colours, quotes, code, links.
function inline(parent, line) {
  const pattern = /<a href="([^"]+)">([^<]*)<\/a>|<@([^>]+)>|\*\*([^*]+)\*\*|`([^`]+)`|\[([^\]]+)\]\(([^)]+)\)|<font color="(info|comment|warning)">(.*?)<\/font>/g;
  let at = 0;
  for (const found of line.matchAll(pattern)) {
    parent.append(line.slice(at, found.index));
    const [all, , linkText, mention, bold, code, mdText, , color, colored] = found;
    if (linkText !== undefined) parent.append(el('span', 'mention', linkText));
    else if (mention) parent.append(el('span', 'mention', '@' + (names.get(mention) || (mention === 'all' ? '所有人' : mention))));
    else if (bold) parent.append(el('strong', '', bold));
    else if (code) parent.append(el('code', '', code));
    else if (mdText) parent.append(el('span', 'mention', mdText));
    else if (color) parent.append(el('span', color, colored));
    at = found.index + all.length;
  }
  parent.append(line.slice(at));
}

function markdown(parent, text) {
  for (const line of text.split('\n')) {
    const heading = /^(#{1,6}) (.*)/.exec(line);
    const quote = /^>+ ?(.*)/.exec(line);
    const node = heading ? el('h3') : el('div', quote ? 'quote' : '');
    inline(node, heading ? heading[2] : quote ? quote[1] : line || ' ');
    parent.append(node);
  }
}

function card(parent, c) {
  if (c.source && c.source.desc) parent.append(el('div', 'desc', c.source.desc));
  if (c.card_image) parent.append(el('div', 'desc', '🖼 ' + c.card_image.url));
  if (c.main_title) { parent.append(el('h3', '', c.main_title.title || '')); if (c.main_title.desc) parent.append(el('div', 'desc', c.main_title.desc)); }
  if (c.emphasis_content) { parent.append(el('div', 'figure', c.emphasis_content.title || '')); parent.append(el('div', 'desc centre', c.emphasis_content.desc || '')); }
  if (c.quote_area) parent.append(el('div', 'quote', [c.quote_area.title, c.quote_area.quote_text].filter(Boolean).join('\n')));
  if (c.sub_title_text) parent.append(el('div', '', c.sub_title_text));
  for (const v of c.vertical_content_list || []) { parent.append(el('strong', '', v.title)); parent.append(el('div', 'desc', v.desc || '')); }
  if ((c.horizontal_content_list || []).length) {
    const list = el('dl');
    for (const h of c.horizontal_content_list) { list.append(el('dt', '', h.keyname)); list.append(el('dd', '', h.value || '')); }
    parent.append(list);
  }
  const questions = [c.checkbox, c.button_selection, ...(c.select_list || [])].filter(Boolean);
  for (const q of questions) {
    if (q.title) parent.append(el('div', 'desc', q.title));
    for (const o of q.option_list || []) parent.append(el('div', '', (o.is_checked || o.id === q.selected_id ? '◉ ' : '○ ') + o.text));
  }
  for (const b of c.button_list || []) parent.append(el('div', 'button', b.text));
  if (c.submit_button) parent.append(el('div', 'button', c.submit_button.text || '提交'));
  for (const j of c.jump_list || []) parent.append(el('div', 'link', j.title + ' ›'));
}

const LINTS = [['main_title.title', 36], ['main_title.desc', 44], ['sub_title_text', 160], ['emphasis_content.title', 14], ['emphasis_content.desc', 22]];
function lints(c) {
  return LINTS.map(([path, limit]) => [path, limit, path.split('.').reduce((o, k) => (o ? o[k] : undefined), c)])
    .filter(([, limit, value]) => typeof value === 'string' && [...value].length > limit)
    .map(([path, limit, value]) => `${path}: ${[...value].length} 字 > ${limit} (建议 advisory)`);
}

function bubble(sent) {
  const node = el('div', 'bubble');
  const content = sent.body[sent.msgtype] || {};
  if (sent.recalled) { node.textContent = '消息已撤回 · recalled'; return node; }
  const plugin = document.getElementById('plugin').checked;
  if (plugin && ['markdown', 'template_card', 'miniprogram_notice'].includes(sent.msgtype)) {
    node.className = 'bubble desc';
    node.textContent = '[暂不支持查看此类消息，请在企业微信中查看 · not shown in the WeChat plugin]';
    return node;
  }
  switch (sent.msgtype) {
    case 'text': {
      let text = content.content || '';
      // WeCom cuts an application's text at 2048 bytes.
      const bytes = new TextEncoder().encode(text);
      if (bytes.length > 2048 && sent.target.kind === 'app') text = new TextDecoder().decode(bytes.slice(0, 2048)).replace(/\uFFFD+$/, '') + '…';
      inline(node, text);
      const mentions = [...(content.mentioned_list || []), ...(content.mentioned_mobile_list || [])];
      for (const m of mentions) node.append(el('span', 'mention', ' @' + (m === '@all' ? '所有人' : names.get(m) || m)));
      break;
    }
    case 'markdown': case 'markdown_v2': node.classList.add('block'); markdown(node, content.content || ''); break;
    case 'textcard': node.classList.add('block'); node.append(el('h3', '', content.title), el('div', 'desc', (content.description || '').replace(/<br>/g, '\n').replace(/<[^>]+>/g, '')), el('div', 'link', (content.btntxt || '详情') + ' ›')); break;
    case 'news': case 'mpnews': node.classList.add('block'); for (const a of content.articles || []) node.append(el('h3', '', a.title), el('div', 'desc', a.description || a.digest || '')); break;
    case 'template_card': node.classList.add('block'); card(node, content); for (const lint of lints(content)) node.append(el('div', 'lint', lint)); break;
    case 'miniprogram_notice': {
      node.classList.add('block');
      node.append(el('h3', '', content.title), el('div', 'desc', content.description || ''));
      const list = el('dl');
      for (const item of content.content_item || []) { list.append(el('dt', '', item.key)); list.append(el('dd', '', item.value)); }
      node.append(list);
      break;
    }
    case 'image': {
      if (content.base64) { const img = el('img'); img.src = 'data:image/png;base64,' + content.base64.replace(/[^A-Za-z0-9+/=]/g, ''); node.append(img); } else node.textContent = '🖼 图片 ' + content.media_id;
      break;
    }
    case 'voice': node.textContent = '🔊 语音 ' + content.media_id; break;
    case 'video': node.textContent = '▶ ' + (content.title || '视频') + '\n' + (content.description || ''); break;
    default: node.textContent = '📄 文件 ' + (content.media_id || sent.msgtype);
  }
  return node;
}

function draw() {
  const nav = document.getElementById('chats');
  nav.replaceChildren(...[...chats].sort((a, b) => last(b[1]) - last(a[1])).map(([id, c]) => {
    const button = el('button', id === chosen ? 'chosen' : '');
    button.append(el('span', 'count', String(c.messages.size)), c.name);
    const newest = [...c.messages.values()].at(-1);
    if (newest) button.append(el('span', 'last', (newest.body[newest.msgtype] || {}).content || `[${newest.msgtype}]`));
    button.onclick = () => { chosen = id; draw(); };
    return button;
  }));
  const current = chats.get(chosen);
  if (!current) return;
  document.getElementById('title').textContent = current.name;
  const list = document.getElementById('messages');
  list.replaceChildren(...[...current.messages.values()].slice(-200).map((sent) => {
    const node = el('div', 'message' + (sent.recalled ? ' recalled' : ''));
    const from = sent.target.kind === 'robot' ? '🤖 消息推送' : apps.get(sent.target.agentid) || String(sent.target.agentid);
    node.append(el('div', 'from', `${from} · ${new Date(sent.at).toLocaleString('zh-CN')}`), bubble(sent));
    return node;
  }));
  list.scrollTop = list.scrollHeight;
}
const last = (c) => Math.max(0, ...[...c.messages.keys()].slice(-1));

async function load() {
  const world = await (await fetch('/_sim/world')).json();
  for (const corp of world.corps) {
    for (const app of corp.apps) apps.set(app.agentid, app.name);
    for (const member of corp.members) { names.set(member.userid, member.name); chat('user:' + member.userid, member.name); }
  }
  for (const sent of await (await fetch('/_sim/outbox')).json()) take(sent);
  if (!chosen) chosen = [...chats].sort((a, b) => last(b[1]) - last(a[1]))[0]?.[0];
  draw();
}

let scheduled = false;
const events = new EventSource('/_sim/events');
events.onmessage = (event) => {
  take(JSON.parse(event.data));
  if (!scheduled) { scheduled = true; requestAnimationFrame(() => { scheduled = false; draw(); }); }
};
events.addEventListener('reload', load);
document.getElementById('plugin').onchange = draw;
load();
